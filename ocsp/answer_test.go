package ocsp

import (
	"crypto"
	"crypto/x509"
	"database/sql"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	xocsp "golang.org/x/crypto/ocsp"

	"tlagate/ca/store"
)

// TestC2Statuses: what is said of each kind of record, with each hash.
func TestC2Statuses(t *testing.T) {
	b := newBed(t)
	fine, stolen, plain, begun, odd := b.tla("fine"), b.tla("stolen"), b.tla("plain"), b.tla("begun"), b.tla("odd")
	b.revoke(stolen, store.KeyCompromise)
	b.revoke(plain, 0)
	b.exec(`UPDATE certificates SET status = 'intent' WHERE serial_number = ?`, begun.SerialNumber.String())
	b.exec(`UPDATE certificates SET status = 'nonsense' WHERE serial_number = ?`, odd.SerialNumber.String())
	never := &x509.Certificate{SerialNumber: big.NewInt(4711)}
	cases := []struct {
		name   string
		cert   *x509.Certificate
		status int
		reason int
	}{
		{"good", fine, xocsp.Good, 0},
		{"revoked with a reason", stolen, xocsp.Revoked, xocsp.KeyCompromise},
		{"revoked, unspecified", plain, xocsp.Revoked, xocsp.Unspecified},
		{"an intent is on hold", begun, xocsp.Revoked, xocsp.CertificateHold},
		{"a status unknown here is on hold", odd, xocsp.Revoked, xocsp.CertificateHold},
		{"never issued", never, xocsp.Unknown, 0},
		{"the issuing CA's own is the root's to speak of", b.ca.Issuing, xocsp.Unknown, 0},
	}
	r := b.open()
	for _, c := range cases {
		for _, hash := range []crypto.Hash{crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512} {
			t.Run(fmt.Sprintf("C2 %s, %s", c.name, hash), func(t *testing.T) {
				_, a, no := r.respond(b.ask(c.cert, hash))
				require.Nil(t, no)
				got := b.parse(a.der, c.cert)
				require.Equal(t, c.status, got.Status)
				require.Equal(t, c.reason, got.RevocationReason)
				require.Equal(t, hash, got.IssuerHash)
				require.Equal(t, r.signer.Load().keyHash, got.ResponderKeyHash, "responder by key")
				require.Equal(t, b.cfg.Certificate.Leaf.Raw, got.Certificate.Raw)
				require.Equal(t, x509.ECDSAWithSHA256, got.SignatureAlgorithm)
				require.Equal(t, got.ProducedAt, got.ThisUpdate)
				require.WithinRange(t, got.ThisUpdate, time.Now().Add(-time.Minute), time.Now())
				validity := time.Hour
				if c.status == xocsp.Unknown || c.reason == xocsp.CertificateHold {
					validity = time.Minute
				}
				require.Equal(t, validity, got.NextUpdate.Sub(got.ThisUpdate))
			})
		}
	}
	records, err := b.ca.Find(fmt.Sprintf("%x", stolen.SerialNumber))
	require.NoError(t, err)
	require.Equal(t, *records[0].RevokedAt, b.status(r, stolen).RevokedAt)
}

// TestC2RevocationIsSeen by a responder that runs, and an un-revocation, which the books may hold some day.
func TestC2RevocationIsSeen(t *testing.T) {
	b := newBed(t)
	cert, other := b.tla("one"), b.tla("other")
	r, url := b.serve()
	is := func(want int) func() bool {
		return func() bool {
			_, der := post(t, url, b.ask(cert, crypto.SHA256))
			return b.parse(der, cert).Status == want
		}
	}
	require.True(t, is(xocsp.Good)())
	_, before := post(t, url, b.ask(other, crypto.SHA256))
	b.revoke(cert, store.KeyCompromise)
	require.Eventually(t, is(xocsp.Revoked), patience, time.Millisecond)
	b.exec(`UPDATE certificates SET status = 'good', revoked_at = '0001-01-01 00:00:00+00:00' WHERE serial_number = ?`,
		cert.SerialNumber.String())
	require.Eventually(t, is(xocsp.Good), patience, time.Millisecond)

	signed := r.tally().Signed
	_, after := post(t, url, b.ask(other, crypto.SHA256))
	require.Equal(t, before, after, "what did not change is not signed again")
	require.Equal(t, signed, r.tally().Signed)
}

func TestAnswersAreKept(t *testing.T) {
	b := newBed(t)
	cert := b.tla("one")
	now := b.manualClock()
	b.cfg.Patience = 24 * time.Hour
	r := b.open()
	for range 5 {
		b.status(r, cert)
	}
	require.EqualValues(t, 1, r.tally().Signed)
	now.add(29 * time.Minute)
	b.status(r, cert)
	require.EqualValues(t, 1, r.tally().Signed)
	now.add(time.Minute)
	require.True(t, b.status(r, cert).NextUpdate.After(now.time().Add(59*time.Minute)))
	require.EqualValues(t, 2, r.tally().Signed, "half its time is over")
	now.add(-30 * time.Minute)
	b.status(r, cert)
	require.EqualValues(t, 3, r.tally().Signed, "the clock was set back: none from the future")

	never := &x509.Certificate{SerialNumber: big.NewInt(4711)}
	b.status(r, never)
	b.status(r, never)
	require.EqualValues(t, 5, r.tally().Signed)
	require.Equal(t, 1, r.cache.len(), "serials that were never issued fill nothing")
}

func TestCacheIsBounded(t *testing.T) {
	b := newBed(t)
	b.cfg.CacheSize = 2
	r := b.open()
	for i := range 4 {
		require.Equal(t, xocsp.Good, b.status(r, b.tla(fmt.Sprint("t", i))).Status)
		require.LessOrEqual(t, r.cache.len(), 2)
	}
}

// TestC2NewCertificate: what the old certificate signed is not given out any more.
func TestC2NewCertificate(t *testing.T) {
	b := newBed(t)
	cert := b.tla("one")
	r := b.open()
	require.Equal(t, b.cfg.Certificate.Leaf.Raw, b.status(r, cert).Certificate.Raw)
	second := b.delegate()
	require.NoError(t, r.SetCertificate(second))
	require.Equal(t, second.Leaf.Raw, b.status(r, cert).Certificate.Raw)
	require.Error(t, r.SetCertificate(b.issue("tla", "urn:tlagate:cab:tla:x")))
	require.Equal(t, second.Leaf.Raw, b.status(r, cert).Certificate.Raw, "a bad one leaves the old in use")
}

// TestC2NotReady: every reason for which nothing is signed is tryLater.
func TestC2NotReady(t *testing.T) {
	later := func(b *bed, r *Responder, cert *x509.Certificate) bool {
		_, _, no := r.respond(b.ask(cert, crypto.SHA1))
		return no != nil && string(no.der) == string(tryLater)
	}
	t.Run("the delegated certificate is revoked", func(t *testing.T) {
		b := newBed(t)
		log, cert := b.log(), b.tla("one")
		r := b.open()
		b.revoke(b.cfg.Certificate.Leaf, store.KeyCompromise)
		require.NoError(t, r.look())
		require.True(t, later(b, r, cert))
		require.Contains(t, log.String(), "nothing is answered any more")
		require.NoError(t, r.SetCertificate(b.delegate()))
		require.NoError(t, r.look())
		require.False(t, later(b, r, cert))
	})
	t.Run("the delegated certificate is over", func(t *testing.T) {
		b := newBed(t)
		now, cert := b.manualClock(), b.tla("one")
		r := b.open()
		now.add(time.Until(b.cfg.Certificate.Leaf.NotAfter) - 10*time.Minute)
		require.NoError(t, r.look())
		require.Equal(t, b.cfg.Certificate.Leaf.NotAfter, b.status(r, cert).NextUpdate, "no answer outlives its signer")
		now.add(11 * time.Minute)
		require.NoError(t, r.look())
		require.True(t, later(b, r, cert))
	})
	t.Run("the database is away", func(t *testing.T) {
		b := newBed(t)
		now, log, cert := b.manualClock(), b.log(), b.tla("one")
		r := b.open()
		away := b.cfg.Database + ".away"
		require.NoError(t, os.Rename(b.cfg.Database, away))
		require.Error(t, r.look())
		require.Error(t, r.look())
		now.add(29 * time.Second)
		require.False(t, later(b, r, cert))
		now.add(2 * time.Second)
		require.True(t, later(b, r, cert))
		require.NoError(t, os.Rename(away, b.cfg.Database))
		require.NoError(t, r.look())
		require.False(t, later(b, r, cert))
		require.Contains(t, log.String(), "cannot be read")
		require.Contains(t, log.String(), "can be read again")
	})
}

// TestC2DatabaseReplaced: a restored or moved database is another file of the same name.
func TestC2DatabaseReplaced(t *testing.T) {
	b := newBed(t)
	cert := b.tla("one")
	r := b.open()
	require.Equal(t, xocsp.Good, b.status(r, cert).Status)
	old := filepath.Join(b.dir, "old.db")
	copyFile(t, b.cfg.Database, old)
	b.revoke(cert, store.KeyCompromise)
	copyFile(t, b.cfg.Database, filepath.Join(b.dir, "new.db"))
	for file, want := range map[string]int{"new.db": xocsp.Revoked, "old.db": xocsp.Good} {
		require.NoError(t, os.Rename(filepath.Join(b.dir, file), b.cfg.Database))
		require.NoError(t, r.look())
		require.Equal(t, want, b.status(r, cert).Status, file)
	}
}

// TestBooksAreReadOnly: no statement of ours could write, and no file appears.
func TestBooksAreReadOnly(t *testing.T) {
	b := newBed(t)
	cert := b.tla("one")
	names := func() (out []string) {
		entries, err := os.ReadDir(b.dir)
		require.NoError(t, err)
		for _, e := range entries {
			out = append(out, e.Name())
		}
		return out
	}
	data, err := os.ReadFile(b.cfg.Database)
	require.NoError(t, err)
	before := names()
	r := b.open()
	b.status(r, cert)
	for _, pragma := range []string{"", "PRAGMA query_only(0); "} {
		_, err = r.books.db.Exec(pragma + `UPDATE certificates SET status = 'good'`)
		require.ErrorContains(t, err, "readonly")
	}
	require.Equal(t, before, names())
	after, err := os.ReadFile(b.cfg.Database)
	require.NoError(t, err)
	require.Equal(t, data, after)
}

func TestDatabaseIsRefused(t *testing.T) {
	b := newBed(t)
	good := b.cfg.Database
	b.cfg.Database = filepath.Join(b.dir, "none.db")
	_, err := Open(b.cfg)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, os.WriteFile(b.cfg.Database, []byte("this is no database, whatever its name says"), 0o600))
	_, err = Open(b.cfg)
	require.ErrorContains(t, err, "cannot use the CA's database")
	copyFile(t, good, b.cfg.Database)
	db, err := sql.Open("sqlite", b.cfg.Database)
	require.NoError(t, err)
	_, err = db.Exec(`PRAGMA user_version = 2`)
	require.NoError(t, err)
	require.NoError(t, db.Close())
	_, err = Open(b.cfg)
	require.ErrorContains(t, err, "its version is 2")
}

// TestC2HalfWritten: a writer that died in the middle of a commit leaves a journal that only a writer can roll back.
// What is half written is not believed; when the CA has opened its database again, all is well.
func TestC2HalfWritten(t *testing.T) {
	b := newBed(t)
	cert := b.tla("one")
	db, err := sql.Open("sqlite", b.cfg.Database)
	require.NoError(t, err)
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, statement := range []string{`PRAGMA cache_size = 1`, `BEGIN IMMEDIATE`,
		`UPDATE certificates SET status = 'revoked', pem = pem || zeroblob(100000)`} {
		_, err := db.Exec(statement)
		require.NoError(t, err)
	}
	crashed := filepath.Join(t.TempDir(), "ca.db")
	copyFile(t, b.cfg.Database, crashed)
	copyFile(t, b.cfg.Database+"-journal", crashed+"-journal")
	_, err = db.Exec(`ROLLBACK`)
	require.NoError(t, err)

	b.cfg.Database = crashed
	_, err = Open(b.cfg)
	require.ErrorContains(t, err, "cannot use the CA's database")
	b.exec(`UPDATE certificates SET reason = 0 WHERE serial_number = ?`, cert.SerialNumber.String())
	require.NoFileExists(t, crashed+"-journal")
	require.Equal(t, xocsp.Good, b.status(b.open(), cert).Status)
}

// TestConcurrency: many ask while certificates are revoked, issued, and our own is replaced. Nobody sees a revoked one
// good again.
func TestConcurrency(t *testing.T) {
	b := newBed(t)
	cert, second := b.tla("one"), b.delegate()
	r, url := b.serve()
	request := b.ask(cert, crypto.SHA256)
	var all sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		all.Go(func() {
			seen := xocsp.Good
			for {
				_, der := post(t, url, request)
				if status := b.parse(der, cert).Status; seen == xocsp.Revoked && status != seen {
					t.Error("good again")
				} else {
					seen = status
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	b.tla("two")
	require.NoError(t, r.SetCertificate(second))
	b.revoke(cert, store.KeyCompromise)
	require.Eventually(t, func() bool { return b.status(r, cert).Status == xocsp.Revoked }, patience, time.Millisecond)
	close(stop)
	all.Wait()
}
