package store

import (
	"database/sql"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// Revocation is what a CRL says of one certificate.
type Revocation struct {
	Serial *big.Int // good until the next one is read
	At     time.Time
	Reason int
	Ends   time.Time // the certificate's
}

// batch is how many revocations are read at once. A reader keeps writers waiting, so it must be short: 10 000 take
// 20 ms.
const batch = 10_000

// Revocations calls f with what an issuer revoked, in the order of issuance. There may be a million: they are read in
// pieces, between which others write. What is revoked meanwhile may or may not be among them, what was revoked before
// is.
func (d *DB) Revocations(issuer string, f func(Revocation) error) error {
	pieces, stop := make(chan piece), make(chan struct{})
	defer close(stop)
	go d.readAhead(issuer, pieces, stop)
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

// readAhead reads pieces until the last, an error, or stop, and closes the channel. One is read while the one before
// is used.
func (d *DB) readAhead(issuer string, pieces chan<- piece, stop <-chan struct{}) {
	defer close(pieces)
	for p := (piece{n: batch}); p.n == batch && p.err == nil; {
		p = d.readPiece(issuer, p.last)
		select {
		case pieces <- p:
		case <-stop:
			return
		}
	}
}

// readPiece reads revocations above a rowid. That of a row never changes.
func (d *DB) readPiece(issuer string, after int64) (p piece) {
	row := d.db.QueryRow(`SELECT coalesce(max(id), 0), count(*),
			coalesce(group_concat(serial || ' ' || at || ' ' || reason || ' ' || ends, char(10)), '')
		FROM (SELECT rowid AS id, serial_number AS serial, unixepoch(revoked_at) AS at, reason,
				unixepoch(expiry) AS ends
			FROM certificates WHERE authority_key_identifier = ? AND status = ? AND rowid > ? ORDER BY rowid LIMIT ?)`,
		issuer, Revoked, after, batch)
	p.err = row.Scan(&p.last, &p.n, &p.lines)
	return p
}

// each calls f with every line. A row with something missing has none, which the number shows.
func (p piece) each(f func(Revocation) error) error {
	r, missing := Revocation{Serial: new(big.Int)}, p.n
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

func (r *Revocation) parse(line string) error {
	serial, rest, _ := strings.Cut(line, " ")
	at, rest, _ := strings.Cut(rest, " ")
	reason, ends, _ := strings.Cut(rest, " ")
	if _, ok := r.Serial.SetString(serial, 10); !ok || r.Serial.Sign() <= 0 {
		return fmt.Errorf("%q is no serial number", serial)
	}
	from, err1 := strconv.ParseInt(at, 10, 64)
	until, err2 := strconv.ParseInt(ends, 10, 64)
	code, err3 := strconv.Atoi(reason)
	r.At, r.Reason, r.Ends = time.Unix(from, 0).UTC(), code, time.Unix(until, 0).UTC()
	return errors.Join(err1, err2, err3)
}

// LastCRL returns number and thisUpdate of the last CRL of an issuer; 0 when there is none yet.
func (d *DB) LastCRL(issuer string) (number int64, thisUpdate time.Time, err error) {
	row := d.db.QueryRow(`SELECT number, this_update FROM crls WHERE authority_key_identifier = ?
		ORDER BY number DESC LIMIT 1`, issuer)
	err = row.Scan(&number, &thisUpdate)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, time.Time{}, nil
	}
	return number, thisUpdate, err
}

// RecordCRL records that an issuer has a new list, which makes an event.
func (d *DB) RecordCRL(issuer string, number int64, thisUpdate, nextUpdate time.Time) error {
	_, err := d.db.Exec(`INSERT INTO crls (authority_key_identifier, number, this_update, next_update)
		VALUES (?, ?, ?, ?)`, issuer, number, thisUpdate.UTC(), nextUpdate.UTC())
	return err
}
