package store

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite" // the database driver
)

// The first three tables are cfssl's (certdb/sqlite/migrations). metadata has what they have no column for, see
// [About].
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
const additions = invitationSchema + headSchema

// DB is an open database. Several programs may have it open at once; the caller's lock keeps writers apart.
type DB struct{ db *sql.DB }

// Create makes the tables in an empty file.
func Create(file string) (*DB, error) {
	d, err := connect(file)
	if err != nil {
		return nil, err
	}
	if _, err := d.db.Exec(schema + additions); err != nil {
		d.Close()
		return nil, fmt.Errorf("cannot create the database %s: %w", file, err)
	}
	return d, nil
}

// Open opens a database that exists.
func Open(file string) (*DB, error) {
	if _, err := os.Stat(file); err != nil {
		return nil, fmt.Errorf("cannot open the database: %w", err)
	}
	d, err := connect(file)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(d.checkVersion(), d.upgrade()); err != nil {
		d.Close()
		return nil, fmt.Errorf("cannot use the database %s: %w", file, err)
	}
	return d, nil
}

func connect(file string) (*DB, error) {
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
	return &DB{db}, nil
}

// Close closes the database.
func (d *DB) Close() error { return d.db.Close() }

func (d *DB) checkVersion() error {
	var version int
	if err := d.db.QueryRow(`PRAGMA user_version`).Scan(&version); err != nil {
		return err
	}
	if version != 1 {
		return fmt.Errorf("its version is %d, this program knows 1", version)
	}
	return nil
}

// upgrade brings a database of an earlier program up to date. Its version stays the same: that is about the tables that
// other programs read too (tla-ocsp, cfssl), and the new tables are beside those.
func (d *DB) upgrade() error {
	_, err := d.db.Exec(additions)
	return err
}

// change executes an update that must concern exactly one row; missed is the error when it does not.
func (d *DB) change(missed error, query string, args ...any) error {
	result, err := d.db.Exec(query, args...)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return errors.Join(missed, err)
	}
	return nil
}

// inTx changes the database, all or nothing.
func (d *DB) inTx(f func(*sql.Tx) error) error {
	tx, err := d.db.Begin()
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}
