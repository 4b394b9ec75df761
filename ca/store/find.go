package store

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// All returns every certificate of the CA, oldest first, its own included.
func (d *DB) All() ([]Record, error) { return d.find("1") }

// Of returns the certificates of an identity (URN), oldest first.
func (d *DB) Of(identity string) ([]Record, error) {
	return d.find(`json_extract(CAST(metadata AS TEXT), '$.identity') = ?`, identity)
}

// WithKey returns the certificates of a key, known by its subject key identifier in hexadecimal.
func (d *DB) WithKey(ski string) ([]Record, error) {
	return d.find(`json_extract(CAST(metadata AS TEXT), '$.key') = ?`, ski)
}

// WithSerial returns the certificates with that serial number, whichever CA signed them.
func (d *DB) WithSerial(serial *big.Int) ([]Record, error) {
	return d.find("serial_number = ?", serial.String())
}

// Signed returns the certificate that an issuer signed with that serial number; no record when there is none.
func (d *DB) Signed(serial *big.Int, issuer string) ([]Record, error) {
	return d.find("serial_number = ? AND authority_key_identifier = ?", serial.String(), issuer)
}

// Again reads a record again.
func (d *DB) Again(r Record) ([]Record, error) { return d.Signed(r.serial, r.Issuer) }

// OnHold returns what an issuer has on hold.
func (d *DB) OnHold(issuer string) ([]Record, error) {
	return d.find("status = ? AND reason = ? AND authority_key_identifier = ?", Revoked, int(Hold), issuer)
}

// GoodOf returns the good certificates of some profiles.
func (d *DB) GoodOf(profiles ...string) ([]Record, error) {
	args := []any{Good}
	for _, p := range profiles {
		args = append(args, p)
	}
	marks := strings.TrimSuffix(strings.Repeat("?, ", len(profiles)), ", ")
	return d.find(`status = ? AND json_extract(CAST(metadata AS TEXT), '$.profile') IN (`+marks+`)`, args...)
}

// BeginAfter returns the certificates that are not revoked and begin after t.
func (d *DB) BeginAfter(t time.Time) ([]Record, error) {
	return d.find("status <> ? AND not_before > ?", Revoked, t)
}

// find returns the records for which the SQL condition holds, oldest first.
func (d *DB) find(condition string, args ...any) ([]Record, error) {
	rows, err := d.db.Query(`SELECT serial_number, authority_key_identifier, status, reason, expiry, revoked_at,
		pem, not_before, metadata, sans FROM certificates WHERE `+condition+` ORDER BY rowid`, args...)
	if err != nil {
		return nil, fmt.Errorf("cannot read the database: %w", err)
	}
	defer rows.Close()
	var out []Record
	for rows.Next() {
		r, err := scanRecord(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("cannot read the database: %w", err)
	}
	return out, nil
}

func scanRecord(rows *sql.Rows) (r Record, err error) {
	var serial string
	var revoked time.Time
	var begins sql.NullTime
	var metadata, sans []byte
	err = rows.Scan(&serial, &r.Issuer, &r.Status, &r.reason, &r.NotAfter, &revoked, &r.PEM, &begins, &metadata, &sans)
	if err != nil {
		return r, fmt.Errorf("cannot read the database: %w", err)
	}
	r.NotAfter = r.NotAfter.UTC()
	if begins.Valid {
		r.NotBefore = begins.Time.UTC()
	}
	if r.Status == Revoked {
		at := revoked.UTC()
		r.RevokedAt, r.Reason = &at, r.reason.String()
	} else {
		r.reason = 0
	}
	if err := r.decode(serial, metadata, sans); err != nil {
		return r, fmt.Errorf("cannot understand the database's record of %q: %w", serial, err)
	}
	return r, nil
}

// decode reads what columns hold as text.
func (r *Record) decode(serial string, metadata, sans []byte) error {
	var ok bool
	if r.serial, ok = new(big.Int).SetString(serial, 10); !ok {
		return errors.New("its serial number is no number")
	}
	r.Serial = FormatSerial(r.serial)
	var a About
	if err := json.Unmarshal(metadata, &a); err != nil {
		return err
	}
	r.Profile, r.Identity = a.Profile, a.Identity
	return json.Unmarshal(sans, &r.Names)
}
