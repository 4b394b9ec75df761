package pkitest

import (
	"crypto/x509"
	"testing"

	"github.com/stretchr/testify/require"
)

const tla1 = "urn:tlagate:cab1:tla:t1"

func TestIssuedChainVerifies(t *testing.T) {
	p := New(t)
	chain := Chain(p.Issue(tla1, x509.ExtKeyUsageClientAuth))
	require.Len(t, chain, 2)
	roots, middle := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(p.Root.Cert)
	middle.AddCert(chain[1])
	_, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: middle,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	require.NoError(t, err)
}

func TestCRLIsSignedAndLists(t *testing.T) {
	p := New(t)
	leaf := p.Issue(tla1, x509.ExtKeyUsageClientAuth).Leaf
	p.Issuing.Revoke(leaf)
	crl, err := x509.ParseRevocationList(p.Issuing.CRL())
	require.NoError(t, err)
	require.NoError(t, crl.CheckSignatureFrom(p.Issuing.Cert))
	require.Len(t, crl.RevokedCertificateEntries, 1)
	require.Zero(t, leaf.SerialNumber.Cmp(crl.RevokedCertificateEntries[0].SerialNumber))
	require.EqualValues(t, 1, crl.Number.Int64())
	require.Equal(t, p.Issuing.Cert.SubjectKeyId, crl.AuthorityKeyId)
}

func TestDefectsCanBeMade(t *testing.T) {
	p := New(t)
	weak := p.Root.Sub("TEST P-224", P224())
	for name, make := range map[string]func() *x509.Certificate{
		"sha1": func() *x509.Certificate {
			return p.Issue(tla1, x509.ExtKeyUsageClientAuth, SHA1(p.Issuing)).Leaf
		},
		"rsa 1024": func() *x509.Certificate { return p.Issue(tla1, x509.ExtKeyUsageClientAuth, RSA(1024)).Leaf },
		"e = 3": func() *x509.Certificate {
			return p.Issue(tla1, x509.ExtKeyUsageClientAuth, SmallExponent()).Leaf
		},
		"P-224":      func() *x509.Certificate { return weak.Issue(tla1, x509.ExtKeyUsageClientAuth).Leaf },
		"v1":         func() *x509.Certificate { return p.Issue(tla1, x509.ExtKeyUsageClientAuth, V1()).Leaf },
		"selfsigned": func() *x509.Certificate { return p.Issue(tla1, x509.ExtKeyUsageClientAuth, SelfSigned()).Leaf },
	} {
		t.Run(name, func(t *testing.T) { require.NotNil(t, make()) })
	}
}
