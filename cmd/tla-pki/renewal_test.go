package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/ca"
	"tlagate/ca/store"
	"tlagate/cmd/internal/cli"
	"tlagate/keys"
	"tlagate/pki"
)

// agingPKI is a CA whose clock the test sets.
type agingPKI struct {
	t   *testing.T
	ca  *ca.CA
	dir string
	now time.Time
	log bytes.Buffer
}

func newAgingPKI(t *testing.T) *agingPKI {
	p := &agingPKI{t: t, dir: t.TempDir(), now: time.Now().Add(-time.Minute)}
	clock := func() time.Time { return p.now }
	require.NoError(t, ca.Init(filepath.Join(p.dir, "ca"), ca.InitConfig{Clock: clock}))
	var err error
	p.ca, err = ca.Open(filepath.Join(p.dir, "ca"), ca.Options{Clock: clock})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.ca.Close()) })
	return p
}

// issue returns a certificate with its key and the request for it.
func (p *agingPKI) issue(profile, identity string, dns ...string) renewed {
	p.t.Helper()
	key, err := ca.GenerateKey(ca.P256)
	require.NoError(p.t, err)
	csr, err := ca.NewCSR(key)
	require.NoError(p.t, err)
	id, err := pki.ParseIdentity(identity)
	require.NoError(p.t, err)
	issued, err := p.ca.Certificates.Issue(ca.Request{Profile: profile, Identity: id, DNS: dns, CSR: csr})
	require.NoError(p.t, err)
	text, err := ca.MarshalKey(key)
	require.NoError(p.t, err)
	at := func(ext string) string { return filepath.Join(p.dir, profile+ext) }
	require.NoError(p.t, os.WriteFile(at(".crt"), issued.Chain, 0o644))
	require.NoError(p.t, os.WriteFile(at(".key"), text, 0o600))
	require.NoError(p.t, os.WriteFile(at(".csr"), csr, 0o644))
	return renewed{Identity: cli.Identity{Cert: cli.Path(at(".crt")), Key: keys.Spec(at(".key"))},
		CSR: cli.Path(at(".csr"))}
}

func (p *agingPKI) end(r renewed) time.Time {
	p.t.Helper()
	certs, err := pki.ReadCertificates(string(r.Cert))
	require.NoError(p.t, err)
	require.Len(p.t, certs, 2)
	return certs[0].NotAfter
}

func (p *agingPKI) later(days int) {
	p.now = p.now.AddDate(0, 0, days)
	_, err := p.ca.Clock.Trust()
	require.NoError(p.t, err)
	_, err = p.ca.Lists.PublishCRL()
	require.NoError(p.t, err)
}

// TestG2ThePKIRenewsItsOwn: what nobody would notice until no device renews any more.
func TestG2ThePKIRenewsItsOwn(t *testing.T) {
	p := newAgingPKI(t)
	byRequest := p.issue("ocsp", "urn:tlagate:op:ocsp:o1")
	byRequest.Key = ""
	byKey := p.issue("pki", "urn:tlagate:op:pki:p1", "pki.example.org")
	byKey.CSR = ""
	p.issue("gateway-client", "urn:tlagate:op:gateway:g1")
	p.issue("admin", "urn:tlagate:op:admin:claire")
	r := &renewer{ca: p.ca, list: []renewed{byRequest, byKey}, log: slog.New(slog.NewTextHandler(&p.log, nil)),
		told: map[string]time.Time{}}
	ocspEnd, pkiEnd := p.end(byRequest), p.end(byKey)

	p.later(58)
	r.look(p.now)
	require.Equal(t, ocspEnd, p.end(byRequest), "more than a third is left")
	require.Empty(t, p.log.String())
	status, err := statusOf(p.ca, p.now)
	require.NoError(t, err)
	require.NoError(t, status.judge())

	p.later(4)
	status, err = statusOf(p.ca, p.now)
	require.NoError(t, err)
	require.ErrorContains(t, status.judge(), "1 of 10 items")
	r.look(p.now)
	require.True(t, p.end(byRequest).After(ocspEnd))
	require.Equal(t, pkiEnd, p.end(byKey))
	require.Contains(t, p.log.String(), "one of our own certificates is renewed")
	status, err = statusOf(p.ca, p.now)
	require.NoError(t, err)
	require.NoError(t, status.judge())

	p.later(210) // the gateway should have renewed its own by now
	p.log.Reset()
	r.look(p.now)
	require.True(t, p.end(byKey).After(pkiEnd))
	require.Contains(t, p.log.String(), "identity=urn:tlagate:op:gateway:g1")
	require.Contains(t, p.log.String(), "identity=urn:tlagate:op:admin:claire")
	p.log.Reset()
	r.look(p.now.Add(time.Hour))
	require.Empty(t, p.log.String(), "once a day")
	status, err = statusOf(p.ca, p.now)
	require.NoError(t, err)
	require.Error(t, status.judge())
	i := slices.IndexFunc(status, func(i item) bool { return i.What == "admin" })
	require.Contains(t, status[i].Do, "tla-pki issue --profile admin, which another officer approves")
}

// TestG2ARevokedIssuingCAIsTold: all that it signed is refused, so its renewals bring nothing.
func TestG2ARevokedIssuingCAIsTold(t *testing.T) {
	p := newAgingPKI(t)
	_, err := p.ca.Revocations.Revoke(ca.Selection{Certificate: p.ca.Issuing}, store.CACompromise)
	require.NoError(t, err)
	r := &renewer{ca: p.ca, log: slog.New(slog.NewTextHandler(&p.log, nil)), told: map[string]time.Time{}}
	r.look(p.now)
	require.Contains(t, p.log.String(), "the issuing CA was revoked: make a new CA")
	require.Contains(t, p.log.String(), "reason=cACompromise")
}

// TestG2NoRenewalOfWhatIsNotOurs: another key, a revoked certificate, a device's.
func TestG2NoRenewalOfWhatIsNotOurs(t *testing.T) {
	p := newAgingPKI(t)
	ocsp, bundle := p.issue("ocsp", "urn:tlagate:op:ocsp:o1"), p.issue("bundle", "urn:tlagate:op:admin:a1")
	device := p.issue("tla", "urn:tlagate:cab1:tla:t1")
	p.later(70)
	r := &renewer{ca: p.ca, log: slog.New(slog.DiscardHandler), told: map[string]time.Time{}}
	ocsp.CSR = bundle.CSR
	require.ErrorContains(t, r.renew(ocsp), "of another key")
	require.ErrorContains(t, r.renew(device), "renews its own")
	chain, err := pki.ReadCertificates(string(ocsp.Cert))
	require.NoError(t, err)
	_, err = p.ca.Revocations.Revoke(ca.Selection{Certificate: chain[0]}, store.KeyCompromise)
	require.NoError(t, err)
	require.ErrorContains(t, r.renew(ocsp), "was revoked (keyCompromise)")
	require.NoError(t, r.renew(bundle), "it has more than a third left")
	require.Error(t, renewed{}.check())
	require.Error(t, renewed{Identity: cli.Identity{Cert: "a", Key: "b"}, CSR: "c"}.check())
}
