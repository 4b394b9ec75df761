package backup

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/stretchr/testify/require"

	"tlagate/ca"
	"tlagate/ca/catest"
	"tlagate/pki/pkitest"
)

// BenchmarkMillion makes and restores backups of books with a million revoked certificates.
func BenchmarkMillion(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "ca")
	require.NoError(b, ca.Init(dir, ca.InitConfig{}))
	c, err := ca.Open(dir, ca.Options{})
	require.NoError(b, err)
	defer c.Close()
	catest.Revoke(b, dir, c.Issuing, pkitest.Million())
	_, err = c.Lists.PublishCRL()
	require.NoError(b, err)
	var lists []ca.Published
	for _, name := range []string{"crl.der", "arl.der"} {
		data, err := os.ReadFile(c.Public(name))
		require.NoError(b, err)
		lists = append(lists, ca.Published{Source: name, Data: data})
	}
	key, err := age.GenerateHybridIdentity()
	require.NoError(b, err)
	for b.Loop() {
		work := b.TempDir()
		start := time.Now()
		_, err := c.CopyBooks(filepath.Join(work, "copy.db"))
		require.NoError(b, err)
		b.ReportMetric(time.Since(start).Seconds(), "s-copy")
		require.NoError(b, os.Remove(filepath.Join(work, "copy.db")))
		start = time.Now()
		made, err := Make(Config{CA: c, Dir: dir, To: filepath.Join(work, "b.age"),
			Recipients: []age.Recipient{key.Recipient()}})
		require.NoError(b, err)
		b.ReportMetric(time.Since(start).Seconds(), "s-backup")
		b.ReportMetric(float64(made.Size)/1e6, "MB")
		start = time.Now()
		_, err = Restore(RestoreConfig{From: filepath.Join(work, "b.age"), Dir: filepath.Join(work, "new"),
			Identities: []age.Identity{key}, Published: lists})
		require.NoError(b, err)
		b.ReportMetric(time.Since(start).Seconds(), "s-restore")
	}
}
