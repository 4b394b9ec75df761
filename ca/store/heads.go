package store

import (
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// A head is the last line of a gateway's audit trace, as that gateway signed it.
const headSchema = `
CREATE TABLE IF NOT EXISTS heads (
  gateway     text NOT NULL,    -- URN
  number      integer NOT NULL, -- of the line
  hash        text NOT NULL,    -- of the line, hexadecimal
  head        text NOT NULL,    -- the signed statement, as it was last said
  certificate blob NOT NULL,    -- DER: whose key signed it
  received    integer NOT NULL, -- when it was last said, Unix time
  PRIMARY KEY (gateway, number)
);
CREATE INDEX IF NOT EXISTS heads_received ON heads (received);
`

// Head is what the CA knows of a line of a gateway's trace.
type Head struct {
	Gateway     string // URN
	Number      uint64
	Hash        string // hexadecimal
	Signed      string // the statement
	Certificate []byte // DER
	Received    time.Time
}

// Heads returns the database's heads.
func (d *DB) Heads() Heads { return Heads{d} }

// Heads are those in a database.
type Heads struct{ db *DB }

// Why a head is refused: the gateway has said something else before.
var (
	ErrHeadBack  = errors.New("it has a lower number than one that is known")
	ErrHeadOther = errors.New("another line of that number is known")
)

// Say records a head, and drops all that were last said before a time. The error is ErrHeadBack, ErrHeadOther, or of
// the database.
func (v Heads) Say(h Head, keepFrom time.Time) error {
	return v.db.inTx(func(tx *sql.Tx) error {
		number, hash, err := lastHead(tx, h.Gateway)
		switch {
		case err != nil:
			return fmt.Errorf("cannot read the heads: %w", err)
		case h.Number < number:
			return ErrHeadBack
		case h.Number == number && h.Hash != hash:
			return ErrHeadOther
		}
		if _, err := tx.Exec(`INSERT INTO heads (gateway, number, hash, head, certificate, received)
			VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (gateway, number) DO UPDATE
			SET head = excluded.head, certificate = excluded.certificate, received = excluded.received`,
			h.Gateway, int64(h.Number), h.Hash, h.Signed, h.Certificate, h.Received.Unix()); err != nil {
			return fmt.Errorf("cannot keep the head: %w", err)
		}
		_, err = tx.Exec(`DELETE FROM heads WHERE received < ?`, keepFrom.Unix())
		return err
	})
}

func lastHead(tx *sql.Tx, gateway string) (number uint64, hash string, err error) {
	err = tx.QueryRow(`SELECT number, hash FROM heads WHERE gateway = ? ORDER BY number DESC LIMIT 1`, gateway).
		Scan(&number, &hash)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return number, hash, err
}

// Of returns a gateway's heads with that number or a higher one, lowest first, up to limit.
func (v Heads) Of(gateway string, from uint64, limit int) ([]Head, error) {
	return v.find(`SELECT gateway, number, hash, head, certificate, received FROM heads
		WHERE gateway = ? AND number >= ? ORDER BY number LIMIT ?`, gateway, int64(from), limit)
}

// Newest returns the last head of each gateway.
func (v Heads) Newest() ([]Head, error) {
	return v.find(`SELECT gateway, number, hash, head, certificate, received
		FROM heads JOIN (SELECT gateway, max(number) AS number FROM heads GROUP BY gateway) USING (gateway, number)
		ORDER BY gateway`)
}

func (v Heads) find(query string, args ...any) (list []Head, err error) {
	rows, err := v.db.db.Query(query, args...)
	if err != nil {
		return nil, fmt.Errorf("cannot read the heads: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var h Head
		var received int64
		if err := rows.Scan(&h.Gateway, &h.Number, &h.Hash, &h.Signed, &h.Certificate, &received); err != nil {
			return nil, fmt.Errorf("cannot read the heads: %w", err)
		}
		h.Received = time.Unix(received, 0).UTC()
		list = append(list, h)
	}
	return list, rows.Err()
}

// Forget removes all heads of a gateway.
func (v Heads) Forget(gateway string) error {
	_, err := v.db.db.Exec(`DELETE FROM heads WHERE gateway = ?`, gateway)
	return err
}
