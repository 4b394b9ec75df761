package revocation_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/pkitest"
	"tlagate/pki/pkitest/bed"
	"tlagate/pki/revocation"
)

// TestC2OfEqualSerialsTheFinalOneCounts: a stale list's holds are not believed for ever, so a hold must not hide a
// revocation of the same serial.
func TestC2OfEqualSerialsTheFinalOneCounts(t *testing.T) {
	const hold, keyCompromise = 6, 1
	for _, reasons := range [][]int{{hold, keyCompromise}, {keyCompromise, hold}, {hold, hold, keyCompromise, hold}} {
		w := bed.New(t)
		peer := w.Issue(bed.TLA1, bed.AsClient)
		der := w.Issuing.CRL(pkitest.CRLStale(), pkitest.CRLEntriesOf(peer.Leaf.SerialNumber, reasons...))
		pkitest.WriteCRL(t, w.Files.CRL, der)
		require.Equal(t, pki.Revoked, pki.ReasonOf(bed.Verify(w.Open(), peer)), "%v", reasons)
	}
}

// TestC2AStrangersListIsNotIndexed: the index is made once a known CA's signature on the list is known to be good.
func TestC2AStrangersListIsNotIndexed(t *testing.T) {
	w, stranger := bed.New(t), pkitest.New(t)
	w.Config.Intermediates = []string{w.Files.Intermediate}
	indexed := func(der []byte) int {
		w.Config.CRLs = []string{w.Files.CRL}
		pkitest.WriteCRL(t, w.Files.CRL, der)
		return revocation.Indexed(w.Open().Store)
	}
	many := pkitest.CRLEntries(100)
	require.Equal(t, 100, indexed(w.Issuing.CRL(many)))
	require.Zero(t, indexed(stranger.Issuing.CRL(many)), "another CA")
	require.Zero(t, indexed(w.Issuing.CRL(many, pkitest.CRLBadSignature())), "in a known CA's name")
	byAnother := pkitest.CRLSignedBy(stranger.Issuing)
	require.Zero(t, indexed(w.Issuing.CRL(many, byAnother)), "in a known CA's name, with another's key")
}

// A CRLNumber of any length costs almost nothing.
func TestC2ANumberOfAMillionDigits(t *testing.T) {
	w := bed.New(t)
	pkitest.WriteCRL(t, w.Files.CRL, w.Issuing.CRL(pkitest.CRLNumber(-1), pkitest.CRLHugeNumber(1<<20)))
	lists := w.Open().Lists()
	require.Len(t, lists, 2)
	i := slices.IndexFunc(lists, func(l revocation.List) bool { return l.Source == w.Files.CRL })
	require.Equal(t, "0", lists[i].Number)
	require.ErrorContains(t, lists[i].Err, "no CRLNumber of at most 20 octets")
}
