package ocsp

import (
	"context"
	"crypto/x509"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the database driver
)

// kind is what an answer says about a certificate.
type kind uint8

const (
	unknown kind = iota // never issued by this CA
	good
	revoked
)

// status is a kind, with when and why of a revocation.
type status struct {
	kind   kind
	at     time.Time // of the revocation, to the second
	reason int       // CRLReason (RFC 5280, 5.3.1); 0 = unspecified
}

// certificateHold is the reason of what is not good now, but may become so.
const certificateHold = 6

// passing reports whether the status can still become good.
func (s status) passing() bool { return s.kind == unknown || s.reason == certificateHold }

// readLimit bounds one look into the database, which writers lock for milliseconds.
const readLimit = 2 * time.Second

// books are the CA's database, which package ca writes, as an outsider reads it. No statement here changes it, and the
// connections could not.
type books struct {
	file   string
	issuer string // subject key identifier of the CA, hexadecimal: how its rows are found

	mu      sync.RWMutex // protects the rest: readers use it, look replaces it
	db      *sql.DB
	watch   *sql.Conn // sees in data_version that another connection has changed something
	query   *sql.Stmt
	opened  fs.FileInfo // of the file that db reads
	version int64       // data_version at the last look
}

func newBooks(file string, issuer *x509.Certificate) *books {
	return &books{file: file, issuer: hex.EncodeToString(issuer.SubjectKeyId)}
}

// look reports whether the books may have changed since the last look. A file put in place of the old one is opened;
// other reports that, and the first opening.
func (b *books) look() (changed, other bool, err error) {
	info, err := os.Stat(b.file)
	if err != nil {
		return false, false, fmt.Errorf("cannot read the CA's database: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if other = b.db == nil || !os.SameFile(info, b.opened); other {
		if err := b.reopen(info); err != nil {
			return false, false, err
		}
	}
	version, err := b.dataVersion()
	if err != nil {
		return false, other, fmt.Errorf("cannot read the CA's database %s: %w", b.file, err)
	}
	changed = version != b.version
	b.version = version
	return changed, other, nil
}

func (b *books) dataVersion() (version int64, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), readLimit)
	defer cancel()
	err = b.watch.QueryRowContext(ctx, `PRAGMA data_version`).Scan(&version)
	return version, err
}

// reopen opens the file that info describes; if another has taken its place meanwhile, the next look finds that.
func (b *books) reopen(info fs.FileInfo) error {
	b.close()
	err := b.open()
	if err != nil {
		b.close()
		return fmt.Errorf("cannot use the CA's database %s: %w", b.file, err)
	}
	b.opened, b.version = info, -1
	return nil
}

func (b *books) open() (err error) {
	if b.db, err = connect(b.file); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), readLimit)
	defer cancel()
	if b.watch, err = b.db.Conn(ctx); err != nil {
		return err
	}
	if err := checkFormat(ctx, b.watch); err != nil {
		return err
	}
	b.query, err = b.db.PrepareContext(ctx, `SELECT status, coalesce(reason, 0), revoked_at FROM certificates
		WHERE serial_number = ? AND authority_key_identifier = ?`)
	return err
}

func connect(file string) (*sql.DB, error) {
	abs, err := filepath.Abs(file)
	if err != nil {
		return nil, err
	}
	dsn := url.URL{Scheme: "file", Path: abs, RawQuery: url.Values{
		"mode": {"ro"}, "_pragma": {"query_only(1)", "busy_timeout(1000)"},
	}.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(5) // one watches
	db.SetMaxIdleConns(5)
	return db, nil
}

// checkFormat refuses a database that is not the CA's, or is that of a later tla-pki.
func checkFormat(ctx context.Context, c *sql.Conn) error {
	var version int
	if err := c.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil {
		return err
	}
	if version != 1 {
		return fmt.Errorf("its version is %d, this program knows 1", version)
	}
	return nil
}

// lookup returns the status of a serial number of the CA as the books have it now.
func (b *books) lookup(serial *big.Int) (status, error) { return b.lookupOf(serial, b.issuer) }

// lookupOf returns the status of a serial number of that issuer.
func (b *books) lookupOf(serial *big.Int, issuer string) (status, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.db == nil {
		return status{}, errors.New("cannot read the CA's database: it is not open")
	}
	ctx, cancel := context.WithTimeout(context.Background(), readLimit)
	defer cancel()
	var word string
	var reason int
	var at sql.NullTime
	err := b.query.QueryRowContext(ctx, serial.String(), issuer).Scan(&word, &reason, &at)
	if errors.Is(err, sql.ErrNoRows) {
		return status{}, nil
	}
	if err != nil {
		return status{}, fmt.Errorf("cannot read the record of certificate %x: %w", serial, err)
	}
	return statusOf(word, reason, at.Time), nil
}

// statusOf reads a row. An intent is an issuance that was begun and is not, or not yet, recorded as done: there may be
// such a certificate, but nothing vouches for it, so it is on hold. Unknown statuses are treated alike.
func statusOf(word string, reason int, at time.Time) status {
	at = at.UTC().Truncate(time.Second)
	switch word {
	case "good":
		return status{kind: good}
	case "revoked":
		return status{kind: revoked, at: encodable(at), reason: knownReason(reason)}
	}
	return status{kind: revoked, at: holdTime, reason: certificateHold}
}

// holdTime is the revocation time of a certificate that nobody has revoked (RFC 6960, 2.2 uses it likewise).
var holdTime = time.Unix(0, 0).UTC()

// encodable replaces a time that a GeneralizedTime cannot hold: that a certificate is revoked matters more than when.
func encodable(at time.Time) time.Time {
	if at.Before(holdTime) || at.Year() > 9999 {
		return holdTime
	}
	return at
}

// knownReason returns unspecified for a code that RFC 5280 does not name, or not for a revoked certificate.
func knownReason(reason int) int {
	if reason < 0 || reason > 10 || reason == 7 || reason == 8 {
		return 0
	}
	return reason
}

// issued counts the CA's certificates.
func (b *books) issued() (n int, err error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	ctx, cancel := context.WithTimeout(context.Background(), readLimit)
	defer cancel()
	err = b.db.QueryRowContext(ctx, `SELECT count(*) FROM certificates WHERE authority_key_identifier = ?`,
		b.issuer).Scan(&n)
	return n, err
}

// close closes what is open; the caller has the lock.
func (b *books) close() {
	if b.query != nil {
		b.query.Close()
	}
	if b.watch != nil {
		b.watch.Close()
	}
	if b.db != nil {
		b.db.Close()
	}
	b.db, b.watch, b.query = nil, nil, nil
}

// shut closes the books for good, once nothing reads them.
func (b *books) shut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.close()
}
