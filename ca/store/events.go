package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// Every revocation, release and publication writes an event in the same transaction, by a trigger: no program, this one
// or another, can forget it.
const eventSchema = `
CREATE TABLE events (
  id          integer PRIMARY KEY AUTOINCREMENT,
  kind        text NOT NULL,      -- revoked, released or crl
  issuer      text NOT NULL,      -- subject key identifier, hexadecimal
  serial      text NOT NULL,      -- of the certificate, decimal; of a CRL: its number
  reason      integer NOT NULL,
  at          timestamp NOT NULL,
  identity    text NOT NULL,
  ca          integer NOT NULL,   -- 1: the certificate is a CA's
  recorded_at timestamp NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%S+00:00', 'now'))
);
CREATE INDEX events_recorded ON events (recorded_at);
CREATE INDEX events_ca       ON events (id) WHERE ca = 1;
CREATE TRIGGER certificate_revoked AFTER UPDATE OF status, reason ON certificates
WHEN NEW.status = 'revoked' AND (OLD.status <> 'revoked' OR OLD.reason <> NEW.reason) BEGIN
  INSERT INTO events (kind, issuer, serial, reason, at, identity, ca)
  VALUES ('revoked', CAST(NEW.authority_key_identifier AS TEXT), CAST(NEW.serial_number AS TEXT),
    NEW.reason, NEW.revoked_at,
    coalesce(json_extract(CAST(NEW.metadata AS TEXT), '$.identity'), ''),
    coalesce(json_extract(CAST(NEW.metadata AS TEXT), '$.profile') = '` + ProfileIssuing + `', 0));
END;
CREATE TRIGGER certificate_released AFTER UPDATE OF status ON certificates
WHEN OLD.status = 'revoked' AND NEW.status <> 'revoked' BEGIN
  INSERT INTO events (kind, issuer, serial, reason, at, identity, ca)
  VALUES ('released', CAST(NEW.authority_key_identifier AS TEXT), CAST(NEW.serial_number AS TEXT), OLD.reason,
    strftime('%Y-%m-%d %H:%M:%S+00:00', 'now'),
    coalesce(json_extract(CAST(NEW.metadata AS TEXT), '$.identity'), ''), 0);
END;
CREATE TRIGGER crl_published AFTER INSERT ON crls BEGIN
  INSERT INTO events (kind, issuer, serial, reason, at, identity, ca)
  VALUES ('crl', NEW.authority_key_identifier, CAST(NEW.number AS TEXT), 0, NEW.this_update, '', 0);
END;
`

// Kind says what an event is about.
type Kind string

// The kinds of events.
const (
	EventRevoked  Kind = "revoked"  // a certificate, for good or on hold
	EventReleased Kind = "released" // from hold
	EventCRL      Kind = "crl"      // a new list is published
)

// Event is one change that the world should know of. Ids rise.
type Event struct {
	ID       int64
	Kind     Kind
	Issuer   string   // subject key identifier of the CA, hexadecimal
	Serial   *big.Int // of the certificate; of a list: its number
	Reason   Reason
	At       time.Time // of the revocation or release; thisUpdate of a list
	Ends     time.Time // of the certificate; zero of a list
	Identity string    // URN; "" of a list
}

// Events reads a CA's events, on its own connection to the database, so that a long signing does not delay it.
type Events struct {
	db   *sql.DB
	conn *sql.Conn // data_version counts what others wrote, as one connection sees it
}

// OpenEvents opens the events in a database file.
func OpenEvents(file string) (*Events, error) {
	d, err := Open(file)
	if err != nil {
		return nil, err
	}
	d.db.SetMaxOpenConns(4)
	conn, err := d.db.Conn(context.Background())
	if err != nil {
		d.Close()
		return nil, fmt.Errorf("cannot open the database %s: %w", file, err)
	}
	return &Events{d.db, conn}, nil
}

// Close closes the connection.
func (e *Events) Close() error { return errors.Join(e.conn.Close(), e.db.Close()) }

// Version changes whenever another connection, of this program or another, has written to the database.
func (e *Events) Version(ctx context.Context) (v int64, err error) {
	if err = e.conn.QueryRowContext(ctx, `PRAGMA data_version`).Scan(&v); err != nil {
		return 0, fmt.Errorf("cannot watch the database: %w", err)
	}
	return v, nil
}

// After returns up to limit events with ids above id, oldest first.
func (e *Events) After(ctx context.Context, id int64, limit int) ([]Event, error) {
	return e.find(ctx, `id > ? ORDER BY id LIMIT ?`, id, limit)
}

// RevokedCAs returns the revocations of issuing CAs up to an id. Their ARLs are long-lived, so a new subscriber is
// told.
func (e *Events) RevokedCAs(ctx context.Context, upTo int64) ([]Event, error) {
	return e.find(ctx, `ca = 1 AND id <= ? ORDER BY id`, upTo)
}

// Before returns the id of the last event recorded before t; 0 when there is none.
func (e *Events) Before(ctx context.Context, t time.Time) (id int64, err error) {
	return e.number(ctx, `SELECT coalesce(max(id), 0) FROM events WHERE recorded_at < ?`,
		t.UTC().Format("2006-01-02 15:04:05+00:00"))
}

// Last returns the highest id ever used; 0 when there is none.
func (e *Events) Last(ctx context.Context) (id int64, err error) {
	return e.number(ctx, `SELECT coalesce(max(id), 0) FROM events`)
}

func (e *Events) number(ctx context.Context, query string, args ...any) (n int64, err error) {
	if err = e.db.QueryRowContext(ctx, query, args...).Scan(&n); err != nil {
		return 0, fmt.Errorf("cannot read the events: %w", err)
	}
	return n, nil
}

func (e *Events) find(ctx context.Context, condition string, args ...any) ([]Event, error) {
	rows, err := e.db.QueryContext(ctx, `SELECT id, kind, issuer, serial, reason, at, identity,
			CASE kind WHEN 'crl' THEN NULL ELSE (SELECT unixepoch(expiry) FROM certificates
				WHERE serial_number = events.serial AND authority_key_identifier = events.issuer) END
		FROM events WHERE `+condition, args...)
	if err != nil {
		return nil, fmt.Errorf("cannot read the events: %w", err)
	}
	defer rows.Close()
	var out []Event
	for rows.Next() {
		event, err := scanEvent(rows)
		if err != nil {
			return nil, fmt.Errorf("cannot read the events: %w", err)
		}
		out = append(out, event)
	}
	return out, rows.Err()
}

func scanEvent(rows *sql.Rows) (e Event, err error) {
	var serial string
	var ends sql.NullInt64
	err = rows.Scan(&e.ID, &e.Kind, &e.Issuer, &serial, &e.Reason, &e.At, &e.Identity, &ends)
	if err != nil {
		return e, err
	}
	if ends.Valid {
		e.Ends = time.Unix(ends.Int64, 0).UTC()
	}
	var ok bool
	if e.Serial, ok = new(big.Int).SetString(serial, 10); !ok {
		return e, fmt.Errorf("event %d has the serial number %q", e.ID, serial)
	}
	e.At = e.At.UTC()
	return e, nil
}
