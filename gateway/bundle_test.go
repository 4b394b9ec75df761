package gateway

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/bundle"
	"tlagate/pki/pkitest"
	"tlagate/session/link"
)

const ops = "urn:tlagate:op:admin:ops"

// shelved gives the gateway a directory of bundles.
func shelved(dir *string, required bool) option {
	return func(r *rig, c *Config) {
		*dir = r.t.TempDir()
		s, err := bundle.OpenShelf(bundle.ShelfConfig{Dir: *dir, Trust: r.trust,
			Poll: 20 * time.Millisecond, Log: c.Log})
		require.NoError(r.t, err)
		r.background(s.Run)
		c.Bundles, c.RequireBundle = s, required
	}
}

// offer signs a bundle and puts it into the directory.
func (r *rig) offer(dir, name, target string, version, lowest uint64, opts ...pkitest.Option) []byte {
	r.t.Helper()
	by := r.ca.Issue(ops, x509.ExtKeyUsageCodeSigning, opts...)
	root := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.ca.Root.Cert.Raw})
	der, err := bundle.Sign(&bundle.Content{Format: 1, Version: version, MinVersion: lowest, For: target,
		Issued: time.Now(), Gateways: []string{"localhost:1"}, PdTs: []string{pdt1},
		Anchors: []bundle.Anchor{{PEM: string(root), Practices: []string{"*"}}}},
		&by, time.Now())
	require.NoError(r.t, err)
	file := filepath.Join(dir, name)
	require.NoError(r.t, os.WriteFile(file+".new", der, 0o600))
	require.NoError(r.t, os.Rename(file+".new", file))
	return der
}

func (r *rig) bundleOf(who string, h http.Header) (*http.Response, []byte) {
	return request(r.t, r.as(who), "GET", bundle.Path, h)
}

// given waits until a device gets exactly this bundle.
func (r *rig) given(who string, der []byte) {
	r.t.Helper()
	r.eventually("the bundle", func() bool {
		resp, body := r.bundleOf(who, nil)
		return resp.StatusCode == http.StatusOK && string(body) == string(der)
	})
}

// denied waits until a device gets no bundle.
func (r *rig) denied(who string) {
	r.t.Helper()
	r.eventually("no bundle", func() bool {
		resp, body := r.bundleOf(who, nil)
		return resp.StatusCode == http.StatusNotFound && codeOf(r.t, resp, body) == link.ProblemNoBundle
	})
}

func TestHeaderNamesAgree(t *testing.T) { require.Equal(t, link.HeaderBundle, bundle.HeaderBundle) }

// TestSP1EachDeviceGetsItsOwn: a device gets the bundle for the identity that it has proved; the most specific bundle
// wins; changed files are read again.
func TestSP1EachDeviceGetsItsOwn(t *testing.T) {
	var dir string
	r := start(t, shelved(&dir, false))
	r.denied(tla1)
	all := r.offer(dir, "all.p7m", "urn:tlagate:cab1:tla:*", 3, 0)
	r.given(tla1, all)
	r.denied(tla2)
	r.denied(pdt1)
	r.denied(admin1)
	own := r.offer(dir, "t1.p7m", tla1, 2, 0)
	r.given(tla1, own)
	r.given("urn:tlagate:cab1:tla:other", all)
	newer := r.offer(dir, "t1-new.p7m", tla1, 4, 0)
	r.given(tla1, newer)

	resp, _ := r.bundleOf(tla1, nil)
	require.Equal(t, bundle.MediaType, resp.Header.Get("Content-Type"))
	resp, body := r.bundleOf(tla1, http.Header{"If-None-Match": {resp.Header.Get("Etag")}})
	require.Equal(t, http.StatusNotModified, resp.StatusCode)
	require.Empty(t, body)

	require.NoError(t, os.WriteFile(filepath.Join(dir, "t1-new.p7m"), newer[:len(newer)-1], 0o600))
	r.logged("bundle not served", "file", filepath.Join(dir, "t1-new.p7m"))
	r.given(tla1, own)
	require.NoError(t, os.Remove(filepath.Join(dir, "t1.p7m")))
	r.given(tla1, all)
}

// TestSP1BadSignersAreNotServed: nor are bundles whose signer is revoked later.
func TestSP1BadSignersAreNotServed(t *testing.T) {
	var dir string
	r := start(t, shelved(&dir, false))
	good := r.offer(dir, "t1.p7m", tla1, 2, 0)
	r.given(tla1, good)
	read, err := bundle.Read(good)
	require.NoError(t, err)
	stranger := &rig{t: t, ca: pkitest.New(t)}
	stranger.offer(dir, "t2.p7m", tla2, 2, 0)
	r.logged("bundle not served", "reason", "unknown_issuer")
	r.denied(tla2)
	r.revoke(read.Chain[0])
	r.denied(tla1)
}

// TestSP1LowestVersion: a device that names an older version is refused; one that names none is refused where a bundle
// is required.
func TestSP1LowestVersion(t *testing.T) {
	for _, required := range []bool{false, true} {
		t.Run(fmt.Sprintf("required %t", required), func(t *testing.T) { lowestVersion(t, required) })
	}
}

func lowestVersion(t *testing.T, required bool) {
	var dir string
	r := start(t, shelved(&dir, required), limited(Limits{JoinWait: time.Millisecond}))
	r.given(tla1, r.offer(dir, "t1.p7m", tla1, 7, 5))
	for told, want := range map[string]link.ProblemCode{
		"4": link.ProblemBundleOutdated, "0": link.ProblemBundleOutdated,
		"5": "pdt_absent", "7": "pdt_absent", "99": "pdt_absent",
		"x": link.ProblemBadRequest, "-1": link.ProblemBadRequest,
		"": map[bool]link.ProblemCode{true: link.ProblemBundleRequired, false: "pdt_absent"}[required],
	} {
		h := http.Header{}
		if told != "" {
			h.Set(link.HeaderBundle, told)
		}
		resp, body := request(t, r.as(tla1), "GET", link.PathOpen+"?pdt=p1", h)
		require.Equal(t, want, codeOf(t, resp, body), "told %q", told)
		if want == link.ProblemBundleOutdated {
			require.Equal(t, "5", resp.Header.Get(link.HeaderBundle))
		}
	}
	_, err := r.tryPark(r.pdt(pdt1), unhurried)
	require.Equal(t, required, err != nil, "a PdT without a bundle")
}
