// Package catest fills the books of a CA, for benchmarks.
package catest

import (
	"crypto/x509"
	"database/sql"
	"encoding/hex"
	"path/filepath"
	"testing"
	"time"

	_ "modernc.org/sqlite" // the database driver
)

// sqlTime is the format of times in the books.
const sqlTime = "2006-01-02 15:04:05-07:00"

// Revoke writes n certificates of issuer into the books of the CA in dir, each revoked a second before the last.
// They are as long as real ones, but no certificates.
func Revoke(tb testing.TB, dir string, issuer *x509.Certificate, n int) {
	tb.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, "ca.db"))
	if err != nil {
		tb.Fatal(err)
	}
	defer db.Close()
	now := time.Now().UTC()
	_, err = db.Exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
		INSERT INTO certificates (serial_number, authority_key_identifier, ca_label, status, reason, expiry, revoked_at,
			pem, metadata, sans)
		SELECT '1' || printf('%018d', i) || '0000000000000000000', ?, '', 'revoked', 1 + i % 5, ?,
			strftime('%Y-%m-%d %H:%M:%S+00:00', ?, '-' || i || ' seconds'), printf('%01200d', i), '{}', '[]' FROM n`,
		n, hex.EncodeToString(issuer.SubjectKeyId), now.AddDate(1, 0, 0).Format(sqlTime), now.Format(sqlTime))
	if err != nil {
		tb.Fatal(err)
	}
}
