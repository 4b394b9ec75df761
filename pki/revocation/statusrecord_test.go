package revocation_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/pkitest"
	"tlagate/pki/pkitest/bed"
	"tlagate/pki/trust"
)

func TestC2ARLByStatus(t *testing.T) {
	w := bed.New(t)
	pkitest.WriteCRL(t, w.Files.ARL, w.Root.CRL(pkitest.CRLStale()))
	w.Config.ARL = t.TempDir() + "/arl.pem"
	store := w.Open()
	peer := pkitest.Chain(w.Issue(bed.TLA1, bed.AsClient))
	reason := func(store *trust.Trust) pki.Reason {
		_, err := store.Verify(peer, trust.Want{Usage: bed.AsClient})
		return pki.ReasonOf(err)
	}
	require.Equal(t, pki.CRLStale, reason(store))
	old := w.Root.CRL()
	for name, c := range map[string]struct {
		der    []byte
		reason pki.Reason
	}{
		"C2 not DER":            {[]byte("x"), pki.CRLBad},
		"C2 stale":              {w.Root.CRL(pkitest.CRLStale()), pki.CRLStale},
		"C2 future":             {w.Root.CRL(pkitest.CRLFuture()), pki.CRLFuture},
		"C2 badly signed":       {w.Root.CRL(pkitest.CRLBadSignature()), pki.CRLBadSignature},
		"C2 a CRL of leaves":    {w.Issuing.CRL(), pki.CRLWrongIssuer},
		"C2 of a stranger":      {pkitest.New(t).Root.CRL(), pki.CRLWrongIssuer},
		"C2 too long":           {w.Root.CRL(pkitest.CRLEntries(1000)), pki.CRLBad},
		"C2 number gone back":   {w.Root.CRL(pkitest.CRLNumber(0)), pki.CRLNumberBack},
		"C2 critical extension": {w.Root.CRL(pkitest.CRLUnknownCritical()), pki.CRLBad},
	} {
		require.Equal(t, c.reason, pki.ReasonOf(store.AddARL(c.der)), name)
		require.Equal(t, pki.CRLStale, reason(store), name)
	}
	require.NoError(t, store.AddARL(w.Root.CRL()))
	require.Empty(t, reason(store))
	require.Equal(t, pki.CRLNumberBack, pki.ReasonOf(store.AddARL(old)))
	require.Empty(t, reason(store))
	require.Empty(t, reason(w.Open()), "it is kept across a restart")

	w.Root.Revoke(w.Issuing.Cert)
	require.NoError(t, store.AddARL(w.Root.CRL()))
	require.Equal(t, pki.CARevoked, reason(store))
}

// TestC2StatusFor: what a gateway passes on is enough for an end that has only the root.
func TestC2StatusFor(t *testing.T) {
	w := bed.New(t)
	gateway := w.Open()
	leaf := w.Issue(bed.PdT1, bed.AsServer)
	require.NoError(t, gateway.AddStatus(w.Issuing.OCSP(leaf.Leaf)))
	verdict, err := gateway.Verify(pkitest.Chain(leaf), trust.Want{Usage: bed.AsServer})
	require.NoError(t, err)
	pieces := gateway.StatusFor(verdict.Path, verdict.Path, nil)
	require.Len(t, pieces, 2, "the ARL and the leaf's answer, once each; no CRL of leaves")

	w.Config.CRLs = nil
	tla := w.Open()
	_, err = tla.Verify(pkitest.Chain(leaf), trust.Want{Usage: bed.AsServer})
	require.Equal(t, pki.CRLMissing, pki.ReasonOf(err))
	for _, p := range pieces {
		tla.TakeStatus(p)
	}
	got, err := tla.Verify(pkitest.Chain(leaf), trust.Want{Usage: bed.AsServer})
	require.NoError(t, err)
	require.Equal(t, pki.SourceStatus, got.Revocation[0].Kind)
}
