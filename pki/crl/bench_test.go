package crl_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/pki/crl"
	"tlagate/pki/pkitest"
	"tlagate/pki/pkitest/bed"
)

// BenchmarkCRL reads a list of 200 000 entries and reports how much memory it keeps.
func BenchmarkCRL(b *testing.B) {
	const n = 200_000
	der := bed.New(b).Issuing.CRL(pkitest.CRLEntries(n))
	var before, after runtime.MemStats
	for b.Loop() {
		runtime.GC()
		runtime.ReadMemStats(&before)
		index, err := crl.ParseCRLs(der)
		require.NoError(b, err)
		runtime.GC()
		runtime.ReadMemStats(&after)
		require.Equal(b, n, index.Count())
	}
	b.ReportMetric(float64(int64(after.HeapAlloc)-int64(before.HeapAlloc)+int64(len(der)))/n, "B/entry")
}
