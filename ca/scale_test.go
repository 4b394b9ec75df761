package ca

import (
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"tlagate/ca/catest"
	"tlagate/ca/store"
	"tlagate/pki"
	"tlagate/pki/pkitest"
)

// BenchmarkPublishMillion revokes one certificate more and publishes, in books with a million revocations.
func BenchmarkPublishMillion(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "ca")
	require.NoError(b, Init(dir, InitConfig{}))
	c, err := Open(dir, Options{})
	require.NoError(b, err)
	defer c.Close()
	catest.Revoke(b, dir, c.Issuing, pkitest.Million())
	_, err = c.Lists.PublishCRL() // so that the next has one to be compared with
	require.NoError(b, err)
	var peak runtime.MemStats
	for b.Loop() {
		begun, before := time.Now(), processorTime(b)
		list, err := c.Lists.PublishCRL()
		require.NoError(b, err)
		require.Equal(b, pkitest.Million(), list.Entries)
		b.ReportMetric(time.Since(begun).Seconds(), "s-publish")
		runtime.ReadMemStats(&peak)
		b.ReportMetric(float64(peak.HeapSys)/1e6, "MB-heap")
		b.ReportMetric(float64(len(list.DER))/1e6, "MB-DER")
		b.ReportMetric((processorTime(b) - before).Seconds(), "s-processor")
	}
	b.StopTimer()
	b.ReportMetric(float64(longestRevocation(b, c).Microseconds())/1000, "ms-longest-revoke")
}

// processorTime is what this program has used: on a busy machine it says more than the clock.
func processorTime(b *testing.B) time.Duration {
	var u unix.Rusage
	require.NoError(b, unix.Getrusage(unix.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// longestRevocation revokes one certificate after the other while another program publishes, and returns the time of
// the slowest.
func longestRevocation(b *testing.B, c *CA) (longest time.Duration) {
	var issued []*Issued
	for range 100 {
		csr, err := NewCSR(must(GenerateKey(P256)))
		require.NoError(b, err)
		one, err := c.Certificates.Issue(Request{Profile: "tla",
			Identity: must(pki.ParseIdentity("urn:tlagate:cab1:tla:t1")), CSR: csr})
		require.NoError(b, err)
		issued = append(issued, one)
	}
	other, err := Open(c.dir, Options{})
	require.NoError(b, err)
	defer other.Close()
	done := make(chan error, 1)
	go func() { _, err := other.Lists.PublishCRL(); done <- err }()
	for _, one := range issued {
		begun := time.Now()
		_, err := c.Revocations.Revoke(Selection{Serial: one.Serial}, store.KeyCompromise)
		require.NoError(b, err)
		longest = max(longest, time.Since(begun))
		select {
		case err := <-done:
			require.NoError(b, err)
			return longest
		case <-time.After(20 * time.Millisecond):
		}
	}
	require.NoError(b, <-done)
	return longest
}
