package trust_test

import (
	"crypto/x509"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/pki/pkitest"
	"tlagate/pki/revocation"
	"tlagate/pki/trust"
)

// BenchmarkVerifyKnown measures what it costs to check one live peer again.
func BenchmarkVerifyKnown(b *testing.B) {
	p := pkitest.New(b)
	files := p.WriteTrust(b.TempDir())
	store, err := trust.Open(trust.Config{
		Anchors:    []trust.AnchorFile{{File: files.Anchor, Practices: []string{"*"}}},
		Revocation: revocation.Config{CRLs: files.CRLs()},
	})
	require.NoError(b, err)
	chain := pkitest.Chain(p.Issue("urn:tlagate:cab1:tla:t1", x509.ExtKeyUsageClientAuth))
	for b.Loop() {
		if _, err := store.VerifyKnown(chain, trust.Want{Usage: x509.ExtKeyUsageClientAuth}); err != nil {
			b.Fatal(err)
		}
	}
}
