package ca

import (
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// An invitation is the PKI's side of a one-time code. The secret itself is nowhere.
const invitationSchema = `
CREATE TABLE IF NOT EXISTS invitations (
  id           integer PRIMARY KEY AUTOINCREMENT,
  secret_hash  blob NOT NULL UNIQUE,  -- SHA-256 of the code's secret
  identity     text NOT NULL,         -- URN
  dns          text NOT NULL,         -- JSON: names of a server
  made_at      timestamp NOT NULL,
  made_by      text NOT NULL,
  expiry       timestamp NOT NULL,
  used_at      timestamp,             -- first
  key          text NOT NULL DEFAULT '', -- subject key identifier it was used for, hexadecimal
  profile      text NOT NULL DEFAULT '', -- likewise
  serial       text NOT NULL DEFAULT '', -- of the certificate, decimal; of an intent when the program died
  withdrawn_at timestamp
);
CREATE INDEX IF NOT EXISTS invitations_identity ON invitations (identity);
`

// Invitation is what the CA knows of a one-time code: not the code.
type Invitation struct {
	ID          int64      `json:"id"`
	Identity    string     `json:"identity"` // URN
	DNS         []string   `json:"dns,omitempty"`
	MadeAt      time.Time  `json:"made_at"`
	MadeBy      string     `json:"made_by"`
	Expiry      time.Time  `json:"expiry"`
	UsedAt      *time.Time `json:"used_at,omitempty"`
	Profile     string     `json:"profile,omitempty"` // used for
	Key         string     `json:"key,omitempty"`     // used for: subject key identifier, hexadecimal
	Serial      string     `json:"serial,omitempty"`  // used for: of the certificate, hexadecimal
	WithdrawnAt *time.Time `json:"withdrawn_at,omitempty"`

	serial string // decimal
}

// State says in one word what has become of an invitation: open, used, withdrawn or expired.
func (i Invitation) State(now time.Time) string {
	switch {
	case i.WithdrawnAt != nil:
		return "withdrawn"
	case i.UsedAt != nil:
		return "used"
	case now.After(i.Expiry):
		return "expired"
	}
	return "open"
}

const invitationColumns = `id, identity, dns, made_at, made_by, expiry, used_at, key, profile, serial, withdrawn_at`

// invitations gives those for which the SQL condition holds, oldest first.
func (s *store) invitations(condition string, args ...any) ([]Invitation, error) {
	rows, err := s.db.Query(`SELECT `+invitationColumns+` FROM invitations WHERE `+condition+` ORDER BY id`, args...)
	if err != nil {
		return nil, fmt.Errorf("cannot read the invitations: %w", err)
	}
	defer rows.Close()
	var out []Invitation
	for rows.Next() {
		i, err := scanInvitation(rows)
		if err != nil {
			return nil, fmt.Errorf("cannot read the invitations: %w", err)
		}
		out = append(out, i)
	}
	return out, rows.Err()
}

func scanInvitation(rows *sql.Rows) (i Invitation, err error) {
	var dns string
	var used, withdrawn sql.NullTime
	if err := rows.Scan(&i.ID, &i.Identity, &dns, &i.MadeAt, &i.MadeBy, &i.Expiry, &used, &i.Key, &i.Profile, &i.serial, &withdrawn); err != nil {
		return i, err
	}
	i.MadeAt, i.Expiry = i.MadeAt.UTC(), i.Expiry.UTC()
	i.UsedAt, i.WithdrawnAt = instantOf(used), instantOf(withdrawn)
	if n, ok := new(big.Int).SetString(i.serial, 10); ok {
		i.Serial = hexSerial(n)
	}
	return i, json.Unmarshal([]byte(dns), &i.DNS)
}

func instantOf(t sql.NullTime) *time.Time {
	if !t.Valid {
		return nil
	}
	at := t.Time.UTC()
	return &at
}

// newInvitation is one to record.
type newInvitation struct {
	Invitation
	hash [sha256.Size]byte
}

// invite records invitations, all or none. What was open for the same identities is withdrawn: one open code a name.
func (s *store) invite(list []newInvitation) error {
	tx, err := s.db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback() // nothing after Commit
	for _, i := range list {
		if err := insertInvitation(tx, i); err != nil {
			return fmt.Errorf("cannot record the invitation of %s: %w", i.Identity, err)
		}
	}
	return tx.Commit()
}

func insertInvitation(tx *sql.Tx, i newInvitation) error {
	dns, err := json.Marshal(append([]string{}, i.DNS...))
	if err != nil {
		return err
	}
	if _, err := tx.Exec(withdrawOpen, i.MadeAt, i.Identity); err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO invitations (secret_hash, identity, dns, made_at, made_by, expiry) VALUES (?, ?, ?, ?, ?, ?)`,
		i.hash[:], i.Identity, string(dns), i.MadeAt, i.MadeBy, i.Expiry)
	return err
}

const withdrawOpen = `UPDATE invitations SET withdrawn_at = ? WHERE identity = ? AND used_at IS NULL AND withdrawn_at IS NULL`

// withdrawOpen withdraws what is open for an identity.
func (s *store) withdrawOpen(identity string, at time.Time) error {
	_, err := s.db.Exec(withdrawOpen, at, identity)
	return err
}

var errNotOpen = errors.New("it is used, or withdrawn already")

func (s *store) withdraw(id int64, at time.Time) error {
	return s.change(errNotOpen, `UPDATE invitations SET withdrawn_at = ? WHERE id = ? AND used_at IS NULL AND withdrawn_at IS NULL`, at, id)
}

// claim marks an invitation as used by a key for a profile, before anything is signed. Only the same key may claim it
// again, when the program died before the certificate was there.
func (s *store) claim(id int64, o *order, key string, at time.Time) error {
	return s.change(denyf(CodeUsed, "the code was used meanwhile"), `UPDATE invitations
		SET used_at = coalesce(used_at, ?), key = ?, profile = ?, serial = ?
		WHERE id = ? AND withdrawn_at IS NULL AND (used_at IS NULL OR key = ? AND profile = ?)`,
		at, key, o.profile.Name, o.serial.String(), id, key, o.profile.Name)
}
