package revocation_test

import (
	"crypto/x509"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/pki/pkitest"
	"tlagate/pki/revocation"
	"tlagate/pki/trust"
)

// TestC2NewCRLsNeverRefuseTheGood: a verification that runs while newer lists are published must not take the older
// ones for lists that went back: that would cut good sessions at each new CRL.
func TestC2NewCRLsNeverRefuseTheGood(t *testing.T) {
	ca := pkitest.New(t)
	files := ca.WriteTrust(t.TempDir())
	store, err := trust.Open(trust.Config{
		Anchors:    []trust.AnchorFile{{File: files.Anchor, Practices: []string{"*"}}},
		Revocation: revocation.Config{CRLs: files.CRLs()},
	})
	require.NoError(t, err)
	chain := pkitest.Chain(ca.Issue("urn:tlagate:cabinet:tla:valise", x509.ExtKeyUsageClientAuth))
	done := make(chan struct{})
	refusals := make([]error, 2)
	var verifiers sync.WaitGroup
	for i := range refusals {
		verifiers.Go(func() {
			for refusals[i] == nil {
				select {
				case <-done:
					return
				default:
					_, refusals[i] = store.Verify(chain, trust.Want{Usage: x509.ExtKeyUsageClientAuth})
				}
			}
		})
	}
	for range 100 {
		ca.WriteCRLs(files)
		store.Reload()
	}
	close(done)
	verifiers.Wait()
	require.Equal(t, make([]error, 2), refusals)
}
