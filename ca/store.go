package ca

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/cloudflare/cfssl/certdb"
	cfsql "github.com/cloudflare/cfssl/certdb/sql"
	"github.com/jmoiron/sqlx"
	_ "modernc.org/sqlite" // the database driver
)

// The certificates table is cfssl's (certdb/sqlite/migrations), so that its
// programs can read it. metadata holds what it has no column for, see [about].
const schema = `
CREATE TABLE certificates (
  serial_number            blob NOT NULL,
  authority_key_identifier blob NOT NULL,
  ca_label                 blob,
  status                   blob NOT NULL,
  reason                   int,
  expiry                   timestamp,
  revoked_at               timestamp,
  pem                      blob NOT NULL,
  issued_at                timestamp,
  not_before               timestamp,
  metadata                 text,
  sans                     text,
  common_name              text,
  PRIMARY KEY(serial_number, authority_key_identifier)
);
CREATE INDEX by_identity ON certificates (json_extract(CAST(metadata AS TEXT), '$.identity'));
CREATE INDEX by_key      ON certificates (json_extract(CAST(metadata AS TEXT), '$.key'));
CREATE TABLE ocsp_responses (
  serial_number            blob NOT NULL,
  authority_key_identifier blob NOT NULL,
  body                     blob NOT NULL,
  expiry                   timestamp,
  PRIMARY KEY(serial_number, authority_key_identifier),
  FOREIGN KEY(serial_number, authority_key_identifier) REFERENCES certificates(serial_number, authority_key_identifier)
);
CREATE TABLE crls (
  authority_key_identifier text NOT NULL,
  number                   integer NOT NULL,
  this_update              timestamp NOT NULL,
  next_update              timestamp NOT NULL,
  PRIMARY KEY(authority_key_identifier, number)
);
CREATE INDEX by_status ON certificates (authority_key_identifier, status);
` + eventSchema + `
PRAGMA user_version = 1;
`

// additions came after version 1.
const additions = invitationSchema

const columns = `serial_number, authority_key_identifier, ca_label, status, reason, expiry, revoked_at,
	pem, issued_at, not_before, metadata, sans, common_name`

// about is the metadata of a certificate.
type about struct {
	Profile  string `json:"profile"`
	Identity string `json:"identity"` // URN, or the subject of a CA
	Key      string `json:"key"`      // subject key identifier, hexadecimal
}

// store is the database of a CA.
type store struct {
	db    *sqlx.DB
	batch int // how many revocations are read at once
	certdb.Accessor
}

// createStore makes an empty database; openStore opens one.
func createStore(dir string) (*store, error) {
	file := filepath.Join(dir, "ca.db")
	if err := WriteNew(file, nil, modeSecret); err != nil {
		return nil, err
	}
	s, err := connect(file)
	if err != nil {
		return nil, err
	}
	if _, err := s.db.Exec(schema + additions); err != nil {
		s.db.Close()
		return nil, fmt.Errorf("cannot create the database %s: %w", file, err)
	}
	return s, nil
}

func openStore(dir string) (*store, error) {
	file := filepath.Join(dir, "ca.db")
	if _, err := os.Stat(file); err != nil {
		return nil, fmt.Errorf("cannot open the database: %w", err)
	}
	s, err := connect(file)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(s.checkVersion(), s.add()); err != nil {
		s.db.Close()
		return nil, fmt.Errorf("cannot use the database %s: %w", file, err)
	}
	return s, nil
}

func connect(file string) (*store, error) {
	abs, err := filepath.Abs(file)
	if err != nil {
		return nil, fmt.Errorf("cannot open the database %s: %w", file, err)
	}
	dsn := url.URL{Scheme: "file", Path: abs, RawQuery: url.Values{
		"_pragma":      {"busy_timeout(10000)", "foreign_keys(1)", "synchronous(FULL)"},
		"_time_format": {"sqlite"},
		"_txlock":      {"immediate"},
	}.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, fmt.Errorf("cannot open the database %s: %w", file, err)
	}
	db.SetMaxOpenConns(1)
	wrapped := sqlx.NewDb(db, "sqlite3") // the name cfssl and sqlx know the dialect by
	return &store{db: wrapped, batch: batch, Accessor: cfsql.NewAccessor(wrapped)}, nil
}

func (s *store) checkVersion() error {
	var version int
	if err := s.db.Get(&version, `PRAGMA user_version`); err != nil {
		return err
	}
	if version != 1 {
		return fmt.Errorf("its version is %d, this program knows 1", version)
	}
	return nil
}

// add brings a database of an earlier program up to date. Its version stays: that is about the tables that others read too
// (tla-ocsp, cfssl), and these are beside them.
func (s *store) add() error {
	_, err := s.db.Exec(additions)
	return err
}

// intend records an issuance before it is signed.
func (s *store) intend(row certdb.CertificateRecord) error {
	row.Status = string(Intent)
	if err := s.Accessor.InsertCertificate(row); err != nil {
		return fmt.Errorf("cannot record the issuance, so nothing is signed: %w", err)
	}
	return nil
}

// InsertCertificate completes the record of an intent. cfssl calls it after it has signed.
func (s *store) InsertCertificate(row certdb.CertificateRecord) error {
	result, err := s.db.Exec(`UPDATE certificates SET status = ?, pem = ?, issued_at = ?
		WHERE serial_number = ? AND authority_key_identifier = ? AND status = ?`,
		Good, row.PEM, row.IssuedAt.UTC(), row.Serial, row.AKI, Intent)
	if err != nil {
		return fmt.Errorf("cannot record certificate %s, which is signed: %w", row.Serial, err)
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return fmt.Errorf("cannot record certificate %s, which is signed: its intent is not there (%d rows, %w)", row.Serial, n, err)
	}
	return nil
}

var errAlreadyRevoked = errors.New("it is revoked already, and a first revocation stands")

// revoke marks one certificate, once: neither time nor reason of a revocation ever change. Only a hold can become
// final, and then it began when the hold did.
func (s *store) revoke(r Record, reason Reason, at time.Time) error {
	if r.Held() {
		return s.change(errAlreadyRevoked, `UPDATE certificates SET reason = ?
			WHERE serial_number = ? AND authority_key_identifier = ? AND status = ? AND reason = ?`,
			int(reason), r.serial.String(), r.Issuer, Revoked, int(Hold))
	}
	return s.change(errAlreadyRevoked, `UPDATE certificates SET status = ?, reason = ?, revoked_at = ?
		WHERE serial_number = ? AND authority_key_identifier = ? AND status IN (?, ?)`,
		Revoked, int(reason), at.UTC(), r.serial.String(), r.Issuer, Good, Intent)
}

var errNotHeld = errors.New("it is not on hold")

// release makes a held certificate good again; one whose signing was never finished is an intent again.
func (s *store) release(r Record) error {
	return s.change(errNotHeld, `UPDATE certificates SET status = CASE WHEN pem = '' THEN ? ELSE ? END, reason = 0, revoked_at = ?
		WHERE serial_number = ? AND authority_key_identifier = ? AND status = ? AND reason = ?`,
		Intent, Good, time.Time{}, r.serial.String(), r.Issuer, Revoked, int(Hold))
}

// change executes an update that must concern exactly one row; missed is the error when it does not.
func (s *store) change(missed error, query string, args ...any) error {
	result, err := s.db.Exec(query, args...)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return errors.Join(missed, err)
	}
	return nil
}

// revocation is what a CRL says of one certificate.
type revocation struct {
	serial *big.Int // good until the next one is read
	at     time.Time
	reason int
	expiry time.Time
}

// batch is how many revocations are read at once. A reader keeps writers waiting, so it must be short: 10 000 take 20 ms.
const batch = 10_000

// revocations calls f with what an issuer revoked, in the order of issuance. There may be a million: they are read in
// pieces, between which others write. What is revoked meanwhile may or may not be among them, what was revoked before is.
func (s *store) revocations(issuer string, f func(revocation) error) error {
	pieces, stop := make(chan piece), make(chan struct{})
	defer close(stop)
	go s.readAhead(issuer, pieces, stop)
	for p := range pieces {
		err := p.err
		if err == nil {
			err = p.each(f)
		}
		if err != nil {
			return fmt.Errorf("cannot read the database: %w", err)
		}
	}
	return nil
}

// piece is a batch of revocations as one text, a line each. Row by row, database/sql takes half as long again.
type piece struct {
	last  int64 // the last one's rowid
	n     int   // how many there are
	lines string
	err   error
}

// readAhead reads pieces until the last, an error, or stop, and closes the channel. One is read while the one before is used.
func (s *store) readAhead(issuer string, pieces chan<- piece, stop <-chan struct{}) {
	defer close(pieces)
	for p := (piece{n: s.batch}); p.n == s.batch && p.err == nil; {
		p = s.readPiece(issuer, p.last)
		select {
		case pieces <- p:
		case <-stop:
			return
		}
	}
}

// readPiece reads revocations above a rowid. That of a row never changes.
func (s *store) readPiece(issuer string, after int64) (p piece) {
	row := s.db.QueryRow(`SELECT coalesce(max(id), 0), count(*), coalesce(group_concat(serial || ' ' || at || ' ' || reason || ' ' || ends, char(10)), '')
		FROM (SELECT rowid AS id, serial_number AS serial, unixepoch(revoked_at) AS at, reason, unixepoch(expiry) AS ends
			FROM certificates WHERE authority_key_identifier = ? AND status = ? AND rowid > ? ORDER BY rowid LIMIT ?)`,
		issuer, Revoked, after, s.batch)
	p.err = row.Scan(&p.last, &p.n, &p.lines)
	return p
}

// each calls f with every line. A row with something missing has none, which the number shows.
func (p piece) each(f func(revocation) error) error {
	r, missing := revocation{serial: new(big.Int)}, p.n
	for line := range strings.Lines(p.lines) {
		if err := r.parse(strings.TrimSuffix(line, "\n")); err != nil {
			return err
		}
		if err := f(r); err != nil {
			return err
		}
		missing--
	}
	if missing != 0 {
		return fmt.Errorf("%d revocations lack their time, their reason or their end", missing)
	}
	return nil
}

func (r *revocation) parse(line string) error {
	serial, rest, _ := strings.Cut(line, " ")
	at, rest, _ := strings.Cut(rest, " ")
	reason, ends, _ := strings.Cut(rest, " ")
	if _, ok := r.serial.SetString(serial, 10); !ok || r.serial.Sign() <= 0 {
		return fmt.Errorf("%q is no serial number", serial)
	}
	from, err1 := strconv.ParseInt(at, 10, 64)
	until, err2 := strconv.ParseInt(ends, 10, 64)
	code, err3 := strconv.Atoi(reason)
	r.at, r.reason, r.expiry = time.Unix(from, 0).UTC(), code, time.Unix(until, 0).UTC()
	return errors.Join(err1, err2, err3)
}

// find gives the records for which the SQL condition holds, oldest first.
func (s *store) find(condition string, args ...any) ([]Record, error) {
	var rows []certdb.CertificateRecord
	query := `SELECT ` + columns + ` FROM certificates WHERE ` + condition + ` ORDER BY rowid`
	if err := s.db.Select(&rows, query, args...); err != nil {
		return nil, fmt.Errorf("cannot read the database: %w", err)
	}
	var out []Record
	for _, row := range rows {
		r, err := recordOf(row)
		if err != nil {
			return nil, fmt.Errorf("cannot understand the database's record of %q: %w", row.Serial, err)
		}
		out = append(out, r)
	}
	return out, nil
}

func recordOf(row certdb.CertificateRecord) (Record, error) {
	serial, ok := new(big.Int).SetString(row.Serial, 10)
	if !ok {
		return Record{}, errors.New("its serial number is no number")
	}
	var a about
	if err := json.Unmarshal(row.MetadataJSON, &a); err != nil {
		return Record{}, err
	}
	r := Record{
		Serial: hexSerial(serial), Issuer: row.AKI, Profile: a.Profile, Identity: a.Identity,
		Status: Status(row.Status), NotAfter: row.Expiry.UTC(), PEM: row.PEM, serial: serial,
	}
	if row.NotBefore != nil {
		r.NotBefore = row.NotBefore.UTC()
	}
	if err := json.Unmarshal(row.SANsJSON, &r.Names); err != nil {
		return Record{}, err
	}
	if r.Status == Revoked {
		at := row.RevokedAt.UTC()
		r.RevokedAt, r.Reason = &at, Reason(row.Reason).String()
		r.reason = Reason(row.Reason)
	}
	return r, nil
}

// lastCRL gives number and thisUpdate of the last CRL of an issuer; 0 when there is none yet.
func (s *store) lastCRL(issuer string) (number int64, thisUpdate time.Time, err error) {
	row := s.db.QueryRow(`SELECT number, this_update FROM crls WHERE authority_key_identifier = ?
		ORDER BY number DESC LIMIT 1`, issuer)
	err = row.Scan(&number, &thisUpdate)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, time.Time{}, nil
	}
	return number, thisUpdate, err
}

func (s *store) recordCRL(issuer string, number int64, thisUpdate, nextUpdate time.Time) error {
	_, err := s.db.Exec(`INSERT INTO crls (authority_key_identifier, number, this_update, next_update) VALUES (?, ?, ?, ?)`,
		issuer, number, thisUpdate.UTC(), nextUpdate.UTC())
	return err
}
