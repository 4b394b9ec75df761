package revocation_test

import (
	"bytes"
	"context"
	"encoding/pem"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/pkitest"
	"tlagate/pki/pkitest/bed"
	"tlagate/pki/revocation"
)

// TestC2EqualSerialsAreIndexedOnce: a list takes what its length is worth, whatever serials it names.
func TestC2EqualSerialsAreIndexedOnce(t *testing.T) {
	const n = 1000
	w := bed.New(t)
	one := big.NewInt(77)
	equal, err := revocation.ParseCRLs(w.Issuing.CRL(pkitest.CRLEntriesOf(one, make([]int, n)...)))
	require.NoError(t, err)
	require.Equal(t, n, equal.Count())
	require.Equal(t, 1, equal.Indexed())
	require.True(t, equal.Has(one))
	distinct, err := revocation.ParseCRLs(w.Issuing.CRL(pkitest.CRLEntries(n)))
	require.NoError(t, err)
	require.Equal(t, n, distinct.Indexed())
}

// TestC2OfEqualSerialsTheFinalOneCounts: a stale list's holds are not believed for ever, so a hold beside a revocation
// must not hide it.
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

// TestC2AListIsReadWithinItsTime: reading one stops when its time is over, or the program ends.
func TestC2AListIsReadWithinItsTime(t *testing.T) {
	w := bed.New(t)
	der := w.Issuing.CRL(pkitest.CRLEntries(5000))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, revocation.ParseCRLsWithin(ctx, der), context.Canceled)

	pem := pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: w.Issuing.CRL()})
	_, err := revocation.ParseCRLs(bytes.Repeat(pem, 1001))
	require.ErrorContains(t, err, "it holds 1001 lists")
	_, err = revocation.ParseCRLs(bytes.Repeat(pem, 1000))
	require.NoError(t, err)
}

// A CRLNumber of any length costs nothing to speak of.
func TestC2ANumberOfAMillionDigits(t *testing.T) {
	w := bed.New(t)
	pkitest.WriteCRL(t, w.Files.CRL, w.Issuing.CRL(pkitest.CRLNumber(-1), pkitest.CRLHugeNumber(1<<20)))
	lists := w.Open().Lists()
	require.Len(t, lists, 2)
	i := slices.IndexFunc(lists, func(l revocation.List) bool { return l.Source == w.Files.CRL })
	require.Equal(t, "0", lists[i].Number)
	require.ErrorContains(t, lists[i].Err, "no CRLNumber of at most 20 octets")
}

// BenchmarkCRLSerials compares a list of equal serials with one of distinct ones, in one run.
func BenchmarkCRLSerials(b *testing.B) {
	const n = 200_000
	w := bed.New(b)
	took := func(der []byte) time.Duration {
		begun := time.Now()
		index, err := revocation.ParseCRLs(der)
		require.NoError(b, err)
		index.Has(big.NewInt(1))
		return time.Since(begun)
	}
	distinct := w.Issuing.CRL(pkitest.CRLEntries(n))
	equal := w.Issuing.CRL(pkitest.CRLEntriesOf(big.NewInt(0).Lsh(big.NewInt(1), 120), make([]int, n)...))
	for b.Loop() {
		d, e := took(distinct), took(equal)
		b.ReportMetric(float64(d.Microseconds())/1e3, "ms-distinct")
		b.ReportMetric(float64(e.Microseconds())/1e3, "ms-equal")
		b.ReportMetric(float64(e)/float64(d), "equal/distinct")
	}
}
