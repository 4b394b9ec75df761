package ca

import (
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// BenchmarkPublishMillion revokes one certificate more and publishes, in books with a million revocations.
func BenchmarkPublishMillion(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "ca")
	require.NoError(b, Init(dir, InitConfig{}))
	c, err := Open(dir, Options{})
	require.NoError(b, err)
	defer c.Close()
	now := time.Now().UTC()
	_, err = c.store.db.Exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000)
		INSERT INTO certificates (serial_number, authority_key_identifier, status, reason, expiry, revoked_at, pem, metadata, sans)
		SELECT '1' || printf('%018d', i) || '0000000000000000000', ?, 'revoked', 1 + i % 5, ?, strftime('%Y-%m-%d %H:%M:%S+00:00', ?, '-' || i || ' seconds'), ?, '{}', '[]' FROM n`,
		keyID(c.Issuing), now.AddDate(1, 0, 0), now, strings.Repeat("x", 1200)) // as long as a certificate is as PEM
	require.NoError(b, err)
	_, err = c.PublishCRL() // so that the next has one to be compared with
	require.NoError(b, err)
	var peak runtime.MemStats
	for b.Loop() {
		list, err := c.PublishCRL()
		require.NoError(b, err)
		require.Equal(b, 1_000_000, list.Entries)
		runtime.ReadMemStats(&peak)
		b.ReportMetric(float64(peak.HeapSys)/1e6, "MB-heap")
		b.ReportMetric(float64(len(list.DER))/1e6, "MB-DER")
	}
}
