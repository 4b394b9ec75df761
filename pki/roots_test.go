package pki_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/pkitest"
)

// TestC2AnchorsReload: anchors are read again when their file changes; a broken one keeps the old.
func TestC2AnchorsReload(t *testing.T) {
	w, other := newWorld(t), pkitest.NewNamed(t, "TEST second")
	pkitest.WriteCRL(t, w.files.CRL, w.Issuing.CRL(), other.Root.CRL(), other.Issuing.CRL())
	w.cfg.Poll = 5 * time.Millisecond
	trust := w.open()
	run(t, trust)
	ours, theirs := pkitest.Chain(w.Issue(tla1, asClient)), pkitest.Chain(other.Issue(tla1, asClient))
	reasons := func() [2]pki.Reason {
		_, a := trust.Verify(ours, pki.Want{Usage: asClient})
		_, b := trust.Verify(theirs, pki.Want{Usage: asClient})
		return [2]pki.Reason{pki.ReasonOf(a), pki.ReasonOf(b)}
	}
	become := func(want ...pki.Reason) {
		t.Helper()
		require.Eventually(t, func() bool { return reasons() == [2]pki.Reason(want) }, patience, time.Millisecond)
	}
	become("", pki.UnknownIssuer)
	changed := trust.Changed()
	pkitest.WriteCertificates(t, w.files.Anchor, w.Root.Cert, other.Root.Cert)
	become("", "")
	requireClosed(t, changed)
	for _, broken := range []string{"-----BEGIN CERTIFICATE-----\nhalf", ""} {
		require.NoError(t, os.WriteFile(w.files.Anchor, []byte(broken), 0o644))
		trust.Reload()
		require.Equal(t, [2]pki.Reason{"", ""}, reasons())
	}
	pkitest.WriteCertificates(t, w.files.Anchor, ours[0])
	trust.Reload()
	require.Equal(t, [2]pki.Reason{"", ""}, reasons(), "no CA, no anchor")
	pkitest.WriteCertificates(t, w.files.Anchor, other.Root.Cert)
	become(pki.UnknownIssuer, "")
}

func TestC2ARLByStatus(t *testing.T) {
	w := newWorld(t)
	pkitest.WriteCRL(t, w.files.ARL, w.Root.CRL(pkitest.CRLStale()))
	w.cfg.ARL = t.TempDir() + "/arl.pem"
	trust := w.open()
	peer := pkitest.Chain(w.Issue(tla1, asClient))
	reason := func(trust *pki.Trust) pki.Reason {
		_, err := trust.Verify(peer, pki.Want{Usage: asClient})
		return pki.ReasonOf(err)
	}
	require.Equal(t, pki.CRLStale, reason(trust))
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
		require.Equal(t, c.reason, pki.ReasonOf(trust.AddARL(c.der)), name)
		require.Equal(t, pki.CRLStale, reason(trust), name)
	}
	require.NoError(t, trust.AddARL(w.Root.CRL()))
	require.Empty(t, reason(trust))
	require.Equal(t, pki.CRLNumberBack, pki.ReasonOf(trust.AddARL(old)))
	require.Empty(t, reason(trust))
	require.Empty(t, reason(w.open()), "it is kept over a restart")

	w.Root.Revoke(w.Issuing.Cert)
	require.NoError(t, trust.AddARL(w.Root.CRL()))
	require.Equal(t, pki.CARevoked, reason(trust))
}

// TestC2StatusFor: what a gateway hands on is enough for one that has the root alone.
func TestC2StatusFor(t *testing.T) {
	w := newWorld(t)
	gateway := w.open()
	leaf := w.Issue(pdt1, asServer)
	require.NoError(t, gateway.AddStatus(w.Issuing.OCSP(leaf.Leaf)))
	verdict, err := gateway.Verify(pkitest.Chain(leaf), pki.Want{Usage: asServer})
	require.NoError(t, err)
	pieces := gateway.StatusFor(verdict.Path, verdict.Path, nil)
	require.Len(t, pieces, 2, "the ARL and the leaf's answer, once each; no CRL of leaves")

	w.cfg.CRLs = nil
	tla := w.open()
	_, err = tla.Verify(pkitest.Chain(leaf), pki.Want{Usage: asServer})
	require.Equal(t, pki.CRLMissing, pki.ReasonOf(err))
	for _, p := range pieces {
		tla.TakeStatus(p)
	}
	got, err := tla.Verify(pkitest.Chain(leaf), pki.Want{Usage: asServer})
	require.NoError(t, err)
	require.Equal(t, pki.SourceStatus, got.Revocation[0].Kind)
}
