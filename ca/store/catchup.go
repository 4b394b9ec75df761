package store

import (
	"crypto/x509"
	"database/sql"
	"errors"
	"time"
)

// Numbers and ids that were used after a copy of the books was made must not be used again: peers refuse a list whose
// number goes back, and gateways ask for the events after the last one that they saw. How many there were is unknown,
// so both leap.
const (
	LeapNumber = 1_000_000
	LeapEvent  = 1_000_000_000
)

// Published is a list that somebody may have relied on.
type Published struct {
	Issuer     *x509.Certificate
	IsARL      bool
	Number     int64
	ThisUpdate time.Time
	NextUpdate time.Time
	Entries    []x509.RevocationListEntry
}

// Learnt counts what the books learnt from lists.
type Learnt struct {
	Revoked int // certificates that they had as good, or on hold, and now have as revoked
	Lost    int // serial numbers that they did not know, now in them as revoked
}

// CatchUp takes over what lists say, all or nothing. Numbers of lists leap above those of the newest ones, event ids
// likewise, and open invitations are withdrawn: one may have been used after the copy was made.
func (d *DB) CatchUp(lists, newest []Published, now time.Time) (learnt Learnt, err error) {
	err = d.inTx(func(tx *sql.Tx) error {
		if _, err := tx.Exec(`UPDATE sqlite_sequence SET seq = seq + ? WHERE name = 'events'`,
			int64(LeapEvent)); err != nil {
			return err
		}
		if err := withdrawAll(tx, now); err != nil {
			return err
		}
		for _, l := range lists {
			if err := l.takeOver(tx, &learnt); err != nil {
				return err
			}
		}
		for _, l := range newest {
			err = errors.Join(err, l.leap(tx))
		}
		return err
	})
	return learnt, err
}

// RevokeUnknown revokes a serial number of an issuer that the books may not know.
func (d *DB) RevokeUnknown(issuer *x509.Certificate, entry x509.RevocationListEntry) error {
	var learnt Learnt
	l := Published{Issuer: issuer, Entries: []x509.RevocationListEntry{entry}}
	err := d.inTx(func(tx *sql.Tx) error { return l.takeOver(tx, &learnt) })
	if err == nil && learnt.Revoked+learnt.Lost == 0 {
		err = ErrRevoked
	}
	return err
}

// withdrawAll makes open invitations worthless.
func withdrawAll(tx *sql.Tx, at time.Time) error {
	var there int
	err := tx.QueryRow(`SELECT count(*) FROM pragma_table_info('invitations') WHERE name = 'withdrawn_at'`).Scan(&there)
	if err != nil || there == 0 { // books of before there were invitations
		return err
	}
	_, err = tx.Exec(`UPDATE invitations SET withdrawn_at = ? WHERE used_at IS NULL AND withdrawn_at IS NULL`, at)
	return err
}

// takeOver revokes what is on the list. What is revoked already stays as it is; a hold may become permanent.
func (l Published) takeOver(tx *sql.Tx, learnt *Learnt) error {
	look, err := tx.Prepare(`SELECT status, reason FROM certificates
		WHERE serial_number = ? AND authority_key_identifier = ?`)
	if err != nil {
		return err
	}
	defer look.Close()
	for _, entry := range l.Entries {
		if err := l.learn(tx, look, entry, learnt); err != nil {
			return err
		}
	}
	return nil
}

func (l Published) learn(tx *sql.Tx, look *sql.Stmt, e x509.RevocationListEntry, learnt *Learnt) error {
	var status Status
	var was int
	err := look.QueryRow(e.SerialNumber.String(), KeyID(l.Issuer)).Scan(&status, &was)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		learnt.Lost++
		return errors.Join(l.enter(tx, e), l.revoke(tx, e))
	case err != nil:
		return err
	case status == Revoked && (Reason(was) != Hold || Reason(e.ReasonCode) == Hold):
		return nil
	}
	learnt.Revoked++
	return l.revoke(tx, e)
}

func (l Published) revoke(tx *sql.Tx, e x509.RevocationListEntry) error {
	reason := Reason(e.ReasonCode)
	if reason.String() == "" {
		reason = 0
	}
	_, err := tx.Exec(`UPDATE certificates SET status = ?, reason = ?, revoked_at = ?
		WHERE serial_number = ? AND authority_key_identifier = ?`,
		Revoked, int(reason), e.RevocationTime.UTC(), e.SerialNumber.String(), KeyID(l.Issuer))
	return err
}

// enter records a serial number that the books have lost, as an intent, so that revoking it makes an event. When its
// certificate ends is not known: no later than its issuer.
func (l Published) enter(tx *sql.Tx, e x509.RevocationListEntry) error {
	profile := profileLost
	if l.IsARL {
		profile = ProfileIssuing // the root signs nothing else
	}
	_, err := tx.Exec(`INSERT INTO certificates (serial_number, authority_key_identifier, ca_label, status, reason,
			expiry, revoked_at, pem, issued_at, not_before, metadata, sans, common_name)
		VALUES (?, ?, '', ?, 0, ?, ?, '', ?, ?, json_object('profile', ?, 'identity', ?, 'key', ''), '[]', ?)`,
		e.SerialNumber.String(), KeyID(l.Issuer), Intent, l.Issuer.NotAfter.UTC(), time.Time{},
		l.Issuer.NotBefore.UTC(), l.Issuer.NotBefore.UTC(), profile, profileLost, profileLost)
	return err
}

// leap records a number well above the list's, as if a list with it had been made when this one was: the next list is
// numbered after it.
func (l Published) leap(tx *sql.Tx) error {
	_, err := tx.Exec(`INSERT INTO crls (authority_key_identifier, number, this_update, next_update)
		SELECT ?, max(?, coalesce(max(number), 0)) + ?, ?, ? FROM crls WHERE authority_key_identifier = ?`,
		KeyID(l.Issuer), l.Number, int64(LeapNumber), l.ThisUpdate.UTC(), l.NextUpdate.UTC(), KeyID(l.Issuer))
	return err
}
