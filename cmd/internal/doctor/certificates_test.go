package doctor

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/seal"
	"tlagate/keys"
	"tlagate/pki"
	"tlagate/pki/pkitest"
)

const terminal = "urn:tlagate:cab1:tla:valise"

// held returns what a terminal has, issued by an authority.
func held(t *testing.T, o ...pkitest.Option) (Device, *pkitest.PKI, pkitest.Files) {
	dir, ca := t.TempDir(), pkitest.New(t)
	trust := ca.WriteTrust(dir)
	cert, key := pkitest.WriteCertificate(t, dir, "tla", ca.Issue(terminal, x509.ExtKeyUsageClientAuth, o...))
	id := cli.Identity{Cert: cli.Path(cert), Key: keys.Spec(key)}
	return Device{Identities: map[string]cli.Identity{"identity": id}, Own: "identity",
		Trust: cli.Trust{Anchors: []cli.Anchor{{File: cli.Path(trust.Anchor), Practices: []string{"*"}}},
			CRLs: []cli.Path{cli.Path(trust.CRL), cli.Path(trust.ARL)}}}, ca, trust
}

func states(t *testing.T, d Device) map[string]State {
	all := map[string]State{}
	for _, f := range examine(t.Context(), d.Checks()) {
		all[f.Check] = f.State
	}
	return all
}

func TestWhatADeviceHolds(t *testing.T) {
	good := map[string]State{"key of identity": Warning, "certificate of identity": OK, "bundle": OK,
		"trust anchors": OK, "revocation lists": OK, "revocation of peers": OK}
	for name, c := range map[string]struct {
		options []pkitest.Option
		spoil   func(*testing.T, *Device, *pkitest.PKI, pkitest.Files)
		differ  map[string]State
	}{
		"good": {},
		"expired": {options: []pkitest.Option{pkitest.Expired()},
			differ: map[string]State{"certificate of identity": Failure}},
		"not yet": {options: []pkitest.Option{pkitest.NotYetValid()},
			differ: map[string]State{"certificate of identity": Failure}},
		"ends soon": {options: []pkitest.Option{pkitest.Valid(-time.Hour, 48*time.Hour)},
			differ: map[string]State{"certificate of identity": Warning}},
		"key of another": {spoil: func(t *testing.T, d *Device, ca *pkitest.PKI, _ pkitest.Files) {
			_, key := pkitest.WriteCertificate(t, t.TempDir(), "x", ca.Issue(terminal, x509.ExtKeyUsageClientAuth))
			d.Identities["identity"] = cli.Identity{Cert: d.Identities["identity"].Cert, Key: keys.Spec(key)}
		}, differ: map[string]State{"key of identity": Failure}},
		"key for everybody": {spoil: func(t *testing.T, d *Device, _ *pkitest.PKI, _ pkitest.Files) {
			require.NoError(t, os.Chmod(string(d.Identities["identity"].Key), 0o644))
		}, differ: map[string]State{"key of identity": Failure}},
		"sealed with a plain key": {spoil: func(t *testing.T, d *Device, _ *pkitest.PKI, _ pkitest.Files) {
			d.Seal = seal.Seal{Sealed: true}
		}, differ: map[string]State{"key of identity": Failure}},
		"bundle missing": {spoil: func(t *testing.T, d *Device, _ *pkitest.PKI, _ pkitest.Files) {
			d.Seal = seal.Seal{Bundle: cli.Path(filepath.Join(t.TempDir(), "b.p7m"))}
		}, differ: map[string]State{"bundle": Failure, "trust anchors": Failure, "revocation lists": Unknown,
			"revocation of peers": Unknown}},
		"bundle interrupted": {spoil: func(t *testing.T, d *Device, _ *pkitest.PKI, _ pkitest.Files) {
			d.Seal = seal.Seal{Bundle: cli.Path(filepath.Join(t.TempDir(), "b.p7m"))}
			require.NoError(t, os.WriteFile(string(d.Seal.Bundle)+".next", nil, 0o600))
		}, differ: map[string]State{"bundle": Warning, "trust anchors": Failure, "revocation lists": Unknown,
			"revocation of peers": Unknown}},
		"stale list": {spoil: func(t *testing.T, _ *Device, ca *pkitest.PKI, f pkitest.Files) {
			pkitest.WriteCRL(t, f.CRL, ca.Issuing.CRL(pkitest.CRLStale()))
		}, differ: map[string]State{"revocation lists": Failure}},
		"list that ends soon": {spoil: func(t *testing.T, _ *Device, ca *pkitest.PKI, f pkitest.Files) {
			pkitest.WriteCRL(t, f.CRL, ca.Issuing.CRL(pkitest.CRLValid(-time.Hour, time.Hour)))
		}, differ: map[string]State{"revocation lists": Warning}},
		"no list": {spoil: func(t *testing.T, d *Device, _ *pkitest.PKI, _ pkitest.Files) { d.Trust.CRLs = nil },
			differ: map[string]State{"revocation lists": Failure, "revocation of peers": Failure}},
		"C2 an ARL alone": {spoil: func(_ *testing.T, d *Device, _ *pkitest.PKI, f pkitest.Files) {
			d.Trust.CRLs = []cli.Path{cli.Path(f.ARL)}
		},
			differ: map[string]State{"revocation of peers": Unknown}},
		"C2 a CRL alone": {spoil: func(_ *testing.T, d *Device, _ *pkitest.PKI, f pkitest.Files) {
			d.Trust.CRLs = []cli.Path{cli.Path(f.CRL)}
		},
			differ: map[string]State{"revocation of peers": Failure}},
		"C2 an ARL and a responder": {spoil: func(t *testing.T, d *Device, ca *pkitest.PKI, f pkitest.Files) {
			d.Trust.CRLs, d.Trust.OCSP.Responders = []cli.Path{cli.Path(f.ARL)}, []string{ca.Issuing.ServeOCSP(t).URL}
		}},
		"C2 a responder that fails": {spoil: func(t *testing.T, d *Device, ca *pkitest.PKI, f pkitest.Files) {
			r := ca.Issuing.ServeOCSP(t)
			r.AnswerRaw(pkitest.OCSPError(2))
			d.Trust.OCSP.Responders = []string{r.URL}
		}, differ: map[string]State{"revocation of peers": Warning}},
		"C2 a responder that fails, and nobody is asked": {spoil: func(t *testing.T, d *Device, ca *pkitest.PKI,
			f pkitest.Files) {
			r := ca.Issuing.ServeOCSP(t)
			r.AnswerRaw(pkitest.OCSPError(2))
			d.Offline, d.Trust.OCSP.Responders = true, []string{r.URL}
		}},
		"C2 issuing CA revoked": {spoil: func(_ *testing.T, _ *Device, ca *pkitest.PKI, f pkitest.Files) {
			ca.Root.Revoke(ca.Issuing.Cert)
			ca.WriteCRLs(f)
		}, differ: map[string]State{"revocation of peers": Failure}},
		"C2 issuing CA as anchor": {spoil: func(_ *testing.T, d *Device, _ *pkitest.PKI, f pkitest.Files) {
			d.Trust.Anchors[0].File = cli.Path(f.Intermediate)
		}, differ: map[string]State{"trust anchors": Warning}},
		"an ARL that ends in days": {spoil: func(t *testing.T, _ *Device, ca *pkitest.PKI, f pkitest.Files) {
			pkitest.WriteCRL(t, f.ARL, ca.Root.CRL(pkitest.CRLValid(-170*24*time.Hour, 3*24*time.Hour)))
		}, differ: map[string]State{"revocation lists": Warning}},
		"an old ARL beside the one that a gateway brought": {spoil: func(t *testing.T, d *Device, ca *pkitest.PKI,
			f pkitest.Files) {
			pkitest.WriteCRL(t, f.ARL, ca.Root.CRL(pkitest.CRLStale()))
			d.Trust.ARL = cli.Path(filepath.Join(t.TempDir(), "arl.pem"))
			pkitest.WriteCRL(t, string(d.Trust.ARL), ca.Root.CRL(pkitest.CRLNumber(7)))
		}},
		"no anchor": {spoil: func(t *testing.T, d *Device, _ *pkitest.PKI, _ pkitest.Files) {
			d.Trust.Anchors[0].File = "/nowhere/root.crt"
		}, differ: map[string]State{"trust anchors": Failure, "revocation lists": Unknown,
			"revocation of peers": Unknown}},
	} {
		d, ca, files := held(t, append([]pkitest.Option{pkitest.Valid(-time.Hour, 300*24*time.Hour)}, c.options...)...)
		if c.spoil != nil {
			c.spoil(t, &d, ca, files)
		}
		got := states(t, d)
		for check, want := range good {
			if other, ok := c.differ[check]; ok {
				want = other
			}
			require.Equal(t, want, got[check], "%s: %s", name, check)
		}
	}
}

func TestAnchorsAreCounted(t *testing.T) {
	d, _, _ := held(t)
	require.Equal(t, "1 anchor", d.anchors().Found)
	d.Trust.Anchors = append(d.Trust.Anchors, d.Trust.Anchors[0])
	require.Equal(t, "2 anchors", d.anchors().Found)
}

func TestAWrappedKeyIsGood(t *testing.T) {
	d, ca, _ := held(t)
	dir := t.TempDir()
	wrap := filepath.Join(dir, "wrap")
	require.NoError(t, os.WriteFile(wrap, bytes.Repeat([]byte("w"), 40), 0o600))
	key, err := keys.Generate(keys.Spec(filepath.Join(dir, "k")), "", keys.Config{WrappingKey: wrap})
	require.NoError(t, err)
	cert, _ := pkitest.WriteCertificate(t, dir, "c", ca.Issue(terminal, x509.ExtKeyUsageClientAuth,
		pkitest.PublicKey(key.Public())))
	d.Identities["identity"] = cli.Identity{Cert: cli.Path(cert), Key: keys.Spec(filepath.Join(dir, "k")),
		WrappingKey: cli.Path(wrap)}
	require.Equal(t, OK, states(t, d)["key of identity"])
}

func TestGatewaysAnswer(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	a := answer{Identity: terminal, Gateway: "urn:g", date: now}
	a.Revocation.Status = "good"
	require.Equal(t, OK, a.judge(now.Add(5*time.Second), pki.CryptoDefault).State)
	require.Equal(t, Warning, a.judge(now.Add(time.Minute), pki.CryptoDefault).State)
	require.Equal(t, Warning, a.judge(now.Add(-time.Minute), pki.CryptoDefault).State)
	a.Crypto = "rgs"
	require.Equal(t, OK, a.judge(now, pki.CryptoRGS).State)
	refused := a.judge(now, pki.CryptoDefault)
	require.Equal(t, Failure, refused.State, "whoami is answered, park and open are not")
	require.Contains(t, refused.Found, "not_rgs")
	a.Crypto, a.small = "default", true
	require.Equal(t, Warning, a.judge(now, pki.CryptoDefault).State)
	a.Revocation.Status = "unknown"
	require.Equal(t, Failure, a.judge(now, pki.CryptoDefault).State)
}

func TestDisk(t *testing.T) {
	require.Equal(t, Warning, Disk("").Run(t.Context()).State)
	require.Equal(t, Failure, Disk("/nowhere/at/all/audit.jsonl").Run(t.Context()).State)
	require.Equal(t, OK, Disk(filepath.Join(t.TempDir(), "audit.jsonl")).Run(t.Context()).State)
	require.Equal(t, Failure, Disk("/proc/audit.jsonl").Run(t.Context()).State, "there is no room at all")
}

func TestReport(t *testing.T) {
	for _, c := range []struct {
		found Finding
		code  int
	}{{Good("all is\nwell"), 0}, {Warn("see to it", "hm"), 0}, {Cannot("", "no"), 0}, {Fail("see to it", "bad"), 1}} {
		checks := []Check{{"one", func(context.Context) Finding { return c.found }}}
		var out, text bytes.Buffer
		err := Report(&cli.App{Context: t.Context(), Stdout: &out}, checks, true)
		require.Equal(t, c.code == 1, err != nil)
		var list []Finding
		require.NoError(t, json.Unmarshal(out.Bytes(), &list))
		c.found.Check = "one"
		require.Equal(t, []Finding{c.found}, list)
		require.NoError(t, printTable(&text, list))
		require.Contains(t, text.String(), cli.Line(c.found.Found))
		require.Equal(t, c.found.Do != "", bytes.Contains(text.Bytes(), []byte("-> see to it")))
	}
}
