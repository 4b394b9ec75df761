package store

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

// Certificate returns the certificate that an issuer signed for a used invitation; none when it is not there.
func (v Invitations) Certificate(i Invitation, issuer string) ([]Record, error) {
	return v.db.find("serial_number = ? AND authority_key_identifier = ?", i.serial, issuer)
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

// Invitations returns the database's invitations.
func (d *DB) Invitations() Invitations { return Invitations{d} }

// Invitations are those in a database; lists of them have the oldest first.
type Invitations struct{ db *DB }

// All returns every invitation.
func (v Invitations) All() ([]Invitation, error) { return v.find("1") }

// WithHash returns the invitation whose secret has that hash, unless it was withdrawn; none when there is none.
func (v Invitations) WithHash(hash [sha256.Size]byte) ([]Invitation, error) {
	return v.find("secret_hash = ? AND withdrawn_at IS NULL", hash[:])
}

// Unused returns the invitations that are neither used nor withdrawn. Some may be over.
func (v Invitations) Unused() ([]Invitation, error) {
	return v.find("used_at IS NULL AND withdrawn_at IS NULL")
}

// UnusedOf returns those of an identity.
func (v Invitations) UnusedOf(identity string) ([]Invitation, error) {
	return v.find("identity = ? AND used_at IS NULL AND withdrawn_at IS NULL", identity)
}

// UsedWithNames returns the used invitations of an identity that have DNS names.
func (v Invitations) UsedWithNames(identity string) ([]Invitation, error) {
	return v.find("identity = ? AND used_at IS NOT NULL AND dns <> '[]'", identity)
}

// find returns the invitations for which the SQL condition holds.
func (v Invitations) find(condition string, args ...any) ([]Invitation, error) {
	rows, err := v.db.db.Query(`SELECT `+invitationColumns+` FROM invitations WHERE `+condition+` ORDER BY id`, args...)
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
	err = rows.Scan(&i.ID, &i.Identity, &dns, &i.MadeAt, &i.MadeBy, &i.Expiry, &used, &i.Key, &i.Profile, &i.serial,
		&withdrawn)
	if err != nil {
		return i, err
	}
	i.MadeAt, i.Expiry = i.MadeAt.UTC(), i.Expiry.UTC()
	i.UsedAt, i.WithdrawnAt = instantOf(used), instantOf(withdrawn)
	if n, ok := new(big.Int).SetString(i.serial, 10); ok {
		i.Serial = FormatSerial(n)
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

// NewInvitation is one to record.
type NewInvitation struct {
	Invitation
	Hash [sha256.Size]byte // of the code's secret
}

// Record records invitations, all or none. What was open for the same identities is withdrawn: one open code a name.
func (v Invitations) Record(list []NewInvitation) error {
	tx, err := v.db.db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback() // nothing after Commit
	for _, i := range list {
		if err := i.insert(tx); err != nil {
			return fmt.Errorf("cannot record the invitation of %s: %w", i.Identity, err)
		}
	}
	return tx.Commit()
}

func (i NewInvitation) insert(tx *sql.Tx) error {
	dns, err := json.Marshal(append([]string{}, i.DNS...))
	if err != nil {
		return err
	}
	if _, err := tx.Exec(withdrawOpen, i.MadeAt, i.Identity); err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO invitations (secret_hash, identity, dns, made_at, made_by, expiry)
		VALUES (?, ?, ?, ?, ?, ?)`, i.Hash[:], i.Identity, string(dns), i.MadeAt, i.MadeBy, i.Expiry)
	return err
}

const withdrawOpen = `UPDATE invitations SET withdrawn_at = ?
	WHERE identity = ? AND used_at IS NULL AND withdrawn_at IS NULL`

// WithdrawOf withdraws what is open for an identity.
func (v Invitations) WithdrawOf(identity string, at time.Time) error {
	_, err := v.db.db.Exec(withdrawOpen, at, identity)
	return err
}

var errNotOpen = errors.New("it is used, or withdrawn already")

// Withdraw withdraws one that is open.
func (v Invitations) Withdraw(id int64, at time.Time) error {
	return v.db.change(errNotOpen, `UPDATE invitations SET withdrawn_at = ?
		WHERE id = ? AND used_at IS NULL AND withdrawn_at IS NULL`, at, id)
}

// Claim says what an invitation is used for.
type Claim struct {
	Key     string // subject key identifier, hexadecimal
	Profile string
	Serial  *big.Int // of the certificate to come
}

// Claim marks an invitation as used by a key for a profile, before anything is signed; missed is the error when another
// was faster. Only the same key may claim it again, when the program died before the certificate was there.
func (v Invitations) Claim(id int64, c Claim, at time.Time, missed error) error {
	return v.db.change(missed, `UPDATE invitations
		SET used_at = coalesce(used_at, ?), key = ?, profile = ?, serial = ?
		WHERE id = ? AND withdrawn_at IS NULL AND (used_at IS NULL OR key = ? AND profile = ?)`,
		at, c.Key, c.Profile, c.Serial.String(), id, c.Key, c.Profile)
}
