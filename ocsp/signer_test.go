package ocsp

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/ca"
	"tlagate/internal/der"
	"tlagate/keys"
	"tlagate/pki"
)

func (b *bed) caPair(which string) *tls.Certificate {
	b.t.Helper()
	file := filepath.Join(b.dir, which, which)
	key, err := keys.Open(keys.Spec(file+".key"), keys.Config{})
	require.NoError(b.t, err)
	pair, err := keys.LoadCertificate(file+".crt", key)
	require.NoError(b.t, err)
	return pair
}

// signed makes a certificate that the CA would not: template is changed from a good one.
func (b *bed) signed(by *tls.Certificate, change func(*x509.Certificate)) *tls.Certificate {
	b.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(b.t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(99), Subject: pkix.Name{CommonName: "r"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning},
		ExtraExtensions: []pkix.Extension{{Id: der.OCSPNoCheck, Value: null}},
	}
	change(template)
	der, err := x509.CreateCertificate(rand.Reader, template, by.Leaf, key.Public(), by.PrivateKey)
	require.NoError(b.t, err)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestC2DelegatedCertificate: what may not sign answers is refused at once.
func TestC2DelegatedCertificate(t *testing.T) {
	b := newBed(t)
	issuing, root := b.caPair("issuing"), b.caPair("root")
	same := func(*x509.Certificate) {}
	now := time.Now()
	cases := map[string]struct {
		pair *tls.Certificate
		want string
	}{
		"none":                {nil, "there is no certificate"},
		"no DER":              {&tls.Certificate{Certificate: [][]byte{{1}}}, "cannot be read"},
		"the CA itself":       {issuing, "a CA's key has no place here"},
		"of another CA":       {b.signed(root, same), "did not issue it"},
		"a terminal's":        {b.issue("tla", "urn:tlagate:cab:tla:x"), "not OCSPSigning alone"},
		"two usages":          {b.signed(issuing, func(c *x509.Certificate) { c.ExtKeyUsage = append(c.ExtKeyUsage, x509.ExtKeyUsageClientAuth) }), "not OCSPSigning alone"},
		"no digitalSignature": {b.signed(issuing, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyAgreement }), "digitalSignature"},
		"no nocheck":          {b.signed(issuing, func(c *x509.Certificate) { c.ExtraExtensions = nil }), "nocheck"},
		"over":                {b.signed(issuing, func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Minute) }), "ended at"},
		"not begun":           {b.signed(issuing, func(c *x509.Certificate) { c.NotBefore = now.Add(time.Minute) }), "begins only"},
	}
	for name, c := range cases {
		t.Run("C2 "+name, func(t *testing.T) {
			cfg := b.cfg
			cfg.Certificate = c.pair
			_, err := Open(cfg)
			require.ErrorContains(t, err, c.want)
			for _, f := range Check(cfg) {
				if f.Err != nil {
					require.Equal(t, "certificate", f.Name)
					require.ErrorContains(t, f.Err, c.want)
					return
				}
			}
			require.Fail(t, "Check is content")
		})
	}
	require.NotNil(t, b.signed(issuing, same))
}

// TestSignatureAlgorithms: the key kinds that tla-pki offers.
func TestSignatureAlgorithms(t *testing.T) {
	b := newBed(t)
	cert := b.tla("one")
	for kind, want := range map[ca.KeyKind]x509.SignatureAlgorithm{ca.P256: x509.ECDSAWithSHA256, ca.P384: x509.ECDSAWithSHA384, ca.RSA3072: x509.SHA256WithRSA} {
		key, err := ca.GenerateKey(kind)
		require.NoError(t, err)
		csr, err := ca.NewCSR(key)
		require.NoError(t, err)
		issued, err := b.ca.Issue(ca.Request{Profile: "ocsp", Identity: pki.Identity{Practice: "op", Role: pki.RoleOCSP, Name: string(kind)}, CSR: csr})
		require.NoError(t, err)
		b.cfg.Certificate = &tls.Certificate{Certificate: [][]byte{issued.Certificate.Raw}, PrivateKey: key}
		require.Equal(t, want, b.status(b.open(), cert).SignatureAlgorithm)
		_, isRSA := key.(*rsa.PrivateKey)
		require.Equal(t, kind == ca.RSA3072, isRSA)
	}
}

func TestCheck(t *testing.T) {
	b := newBed(t)
	names := map[string]bool{}
	for _, f := range Check(b.cfg) {
		require.NoError(t, f.Err, f.Name)
		require.NotEmpty(t, f.Detail)
		names[f.Name] = true
	}
	require.Equal(t, map[string]bool{"issuer": true, "certificate": true, "status": true, "database": true}, names)
	b.revoke(b.cfg.Certificate.Leaf, ca.Reason(4))
	wrong := map[string]error{}
	for _, f := range Check(b.cfg) {
		wrong[f.Name] = f.Err
	}
	require.ErrorContains(t, wrong["status"], "is revoked, or not in the books")
	require.NoError(t, wrong["certificate"])
	b.cfg.Database += ".none"
	for _, f := range Check(b.cfg) {
		require.Equal(t, f.Name == "database", f.Err != nil)
	}
	require.NoFileExists(t, b.cfg.Database)
}

func TestConfigurationIsRefused(t *testing.T) {
	b := newBed(t)
	for want, change := range map[string]func(*Config){
		"is no CA certificate":       func(c *Config) { c.Issuer = b.tla("x") },
		"validity of 1s":             func(c *Config) { c.Validity = time.Second },
		"validity of 49h":            func(c *Config) { c.Validity = 49 * time.Hour },
		"at most 1 s":                func(c *Config) { c.Poll = 2 * time.Second },
		"patience of 1ms":            func(c *Config) { c.Patience = time.Millisecond },
		"a limit is below 1":         func(c *Config) { c.MaxIDs = -1 },
		`path "ocsp"`:                func(c *Config) { c.Path = "ocsp" },
		"cannot read the CA's datab": func(c *Config) { c.Database = os.DevNull + "/x" },
	} {
		cfg := b.cfg
		change(&cfg)
		_, err := Open(cfg)
		require.ErrorContains(t, err, want)
	}
}
