package trust_test

import (
	"crypto/x509"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/pkitest"
	"tlagate/pki/revocation"
	"tlagate/pki/trust"
)

// TestShareKeepsOneCopyOfEachCA: peers of one CA share its certificate, and what theirs have in common; they say what
// they said before.
func TestShareKeepsOneCopyOfEachCA(t *testing.T) {
	ca := pkitest.New(t)
	files := ca.WriteTrust(t.TempDir())
	store, err := trust.Open(trust.Config{Anchors: []trust.AnchorFile{{File: files.Anchor, Practices: []string{"*"}}},
		Revocation: revocation.Config{CRLs: files.CRLs()}})
	require.NoError(t, err)
	want := trust.Want{Usage: x509.ExtKeyUsageClientAuth}
	var shared, leaves []*x509.Certificate
	for _, urn := range []string{"urn:tlagate:cab1:tla:t1", "urn:tlagate:cab2:tla:t2"} {
		ders := ca.Issue(urn, want.Usage).Certificate
		chain, err := pki.ParseChain(ders)
		require.NoError(t, err)
		verdict, err := store.Verify(chain, want)
		require.NoError(t, err)
		store.Share(verdict, chain)
		again, err := pki.ParseChain(ders)
		require.NoError(t, err)
		require.Equal(t, again, chain)
		require.Same(t, chain[1], verdict.Path[1])
		shared, leaves = append(shared, chain[1]), append(leaves, chain[0])
		_, err = store.VerifyKnown(chain, want)
		require.NoError(t, err)
	}
	require.Same(t, shared[0], shared[1])
	require.Same(t, &leaves[0].Policies[0], &leaves[1].Policies[0])
	require.Same(t, &leaves[0].Extensions[0].Id[0], &leaves[1].Extensions[0].Id[0])
}
