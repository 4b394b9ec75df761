package pki_test

import (
	"crypto/x509"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/pkitest"
)

// BenchmarkVerifyKnown is what it costs to look at one live peer again.
func BenchmarkVerifyKnown(b *testing.B) {
	p := pkitest.New(b)
	files := p.WriteTrust(b.TempDir())
	trust, err := pki.OpenTrust(pki.TrustConfig{
		Anchors: []pki.AnchorFile{{File: files.Anchor, Practices: []string{"*"}}}, CRLs: files.CRLs(),
	})
	require.NoError(b, err)
	chain := pkitest.Chain(p.Issue("urn:tlagate:cab1:tla:t1", x509.ExtKeyUsageClientAuth))
	for b.Loop() {
		if _, err := trust.VerifyKnown(chain, pki.Want{Usage: x509.ExtKeyUsageClientAuth}); err != nil {
			b.Fatal(err)
		}
	}
}
