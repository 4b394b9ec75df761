package crl_test

import (
	"bytes"
	"context"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki/crl"
	"tlagate/pki/pkitest"
	"tlagate/pki/pkitest/bed"
)

// TestC2EqualSerialsAreIndexedOnce: a list costs work in proportion to its length, whatever serials it names.
func TestC2EqualSerialsAreIndexedOnce(t *testing.T) {
	const n = 1000
	w := bed.New(t)
	one := big.NewInt(77)
	equal, err := crl.ParseCRLs(w.Issuing.CRL(pkitest.CRLEntriesOf(one, make([]int, n)...)))
	require.NoError(t, err)
	require.Equal(t, n, equal.Count())
	require.Equal(t, 1, equal.Indexed())
	require.True(t, equal.Has(one))
	distinct, err := crl.ParseCRLs(w.Issuing.CRL(pkitest.CRLEntries(n)))
	require.NoError(t, err)
	require.Equal(t, n, distinct.Indexed())
}

// TestC2AListIsReadWithinItsTime: reading a list stops when its time is over or the program ends.
func TestC2AListIsReadWithinItsTime(t *testing.T) {
	w := bed.New(t)
	der := w.Issuing.CRL(pkitest.CRLEntries(5000))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, crl.ParseCRLsWithin(ctx, der), context.Canceled)

	pem := pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: w.Issuing.CRL()})
	_, err := crl.ParseCRLs(bytes.Repeat(pem, 1001))
	require.ErrorContains(t, err, "it holds 1001 lists")
	_, err = crl.ParseCRLs(bytes.Repeat(pem, 1000))
	require.NoError(t, err)
}

// BenchmarkCRLSerials compares a list of equal serials with one of distinct ones, in one run.
func BenchmarkCRLSerials(b *testing.B) {
	const n = 200_000
	w := bed.New(b)
	took := func(der []byte) time.Duration {
		begun := time.Now()
		index, err := crl.ParseCRLs(der)
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
