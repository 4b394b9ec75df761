package store

import (
	"errors"
	"time"
)

// ErrRevoked says that a certificate is revoked already.
var ErrRevoked = errors.New("it is revoked already, and a first revocation stands")

// ErrNotHeld says that a certificate cannot be released.
var ErrNotHeld = errors.New("it is not on hold")

// Revoke marks one certificate, once: neither time nor reason of a revocation ever change. Only a hold can become
// final, and then it began when the hold did.
func (d *DB) Revoke(r Record, reason Reason, at time.Time) error {
	if r.Held() {
		return d.change(ErrRevoked, `UPDATE certificates SET reason = ?
			WHERE serial_number = ? AND authority_key_identifier = ? AND status = ? AND reason = ?`,
			int(reason), r.serial.String(), r.Issuer, Revoked, int(Hold))
	}
	return d.change(ErrRevoked, `UPDATE certificates SET status = ?, reason = ?, revoked_at = ?
		WHERE serial_number = ? AND authority_key_identifier = ? AND status IN (?, ?)`,
		Revoked, int(reason), at.UTC(), r.serial.String(), r.Issuer, Good, Intent)
}

// Release makes a held certificate good again; one whose signing was never finished is an intent again.
func (d *DB) Release(r Record) error {
	return d.change(ErrNotHeld, `UPDATE certificates
		SET status = CASE WHEN pem = '' THEN ? ELSE ? END, reason = 0, revoked_at = ?
		WHERE serial_number = ? AND authority_key_identifier = ? AND status = ? AND reason = ?`,
		Intent, Good, time.Time{}, r.serial.String(), r.Issuer, Revoked, int(Hold))
}

// Antedate makes revocations that are dated after limit ones of now.
func (d *DB) Antedate(limit, now time.Time) error {
	_, err := d.db.Exec(`UPDATE certificates SET revoked_at = ? WHERE status = ? AND revoked_at > ?`, now, Revoked,
		limit)
	return err
}
