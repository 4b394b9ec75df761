package trust_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/pkitest"
	"tlagate/pki/pkitest/bed"
	"tlagate/pki/trust"
)

// TestC2AnchorsReload: anchors are read again when their file changes; if it is broken, the old anchors stay.
func TestC2AnchorsReload(t *testing.T) {
	w, other := bed.New(t), pkitest.NewNamed(t, "TEST second")
	pkitest.WriteCRL(t, w.Files.CRL, w.Issuing.CRL(), other.Root.CRL(), other.Issuing.CRL())
	w.Config.Poll = 5 * time.Millisecond
	store := w.Open()
	bed.Start(t, store)
	ours, theirs := pkitest.Chain(w.Issue(bed.TLA1, bed.AsClient)), pkitest.Chain(other.Issue(bed.TLA1, bed.AsClient))
	reasons := func() [2]pki.Reason {
		_, a := store.Verify(ours, trust.Want{Usage: bed.AsClient})
		_, b := store.Verify(theirs, trust.Want{Usage: bed.AsClient})
		return [2]pki.Reason{pki.ReasonOf(a), pki.ReasonOf(b)}
	}
	become := func(want ...pki.Reason) {
		t.Helper()
		require.Eventually(t, func() bool { return reasons() == [2]pki.Reason(want) }, bed.Patience, time.Millisecond)
	}
	become("", pki.UnknownIssuer)
	changed := store.Changed()
	pkitest.WriteCertificates(t, w.Files.Anchor, w.Root.Cert, other.Root.Cert)
	become("", "")
	bed.RequireClosed(t, changed)
	for _, broken := range []string{"-----BEGIN CERTIFICATE-----\nhalf", ""} {
		require.NoError(t, os.WriteFile(w.Files.Anchor, []byte(broken), 0o644))
		store.Reload()
		require.Equal(t, [2]pki.Reason{"", ""}, reasons())
	}
	pkitest.WriteCertificates(t, w.Files.Anchor, ours[0])
	store.Reload()
	require.Equal(t, [2]pki.Reason{"", ""}, reasons(), "no CA, no anchor")
	pkitest.WriteCertificates(t, w.Files.Anchor, other.Root.Cert)
	become(pki.UnknownIssuer, "")
}
