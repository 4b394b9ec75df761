package store

import (
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"tlagate/pemfile"
)

// About is what the books know of a certificate beside its dates and names: the metadata column.
type About struct {
	Profile  string `json:"profile"`
	Identity string `json:"identity"` // URN, or the subject of a CA
	Key      string `json:"key"`      // subject key identifier, hexadecimal
}

// Entry is a certificate to record.
type Entry struct {
	About
	Serial    *big.Int
	Issuer    string // subject key identifier of the issuer, hexadecimal
	Names     []string
	NotBefore time.Time
	NotAfter  time.Time
}

// Intend records an issuance before it is signed.
func (d *DB) Intend(e Entry) error {
	if err := d.insert(e, Intent, ""); err != nil {
		return fmt.Errorf("cannot record the issuance, so nothing is signed: %w", err)
	}
	return nil
}

// Complete completes the record of an intent with the certificate that was signed.
func (d *DB) Complete(cert *x509.Certificate, issuer string, at time.Time) error {
	serial := cert.SerialNumber.String()
	result, err := d.db.Exec(`UPDATE certificates SET status = ?, pem = ?, issued_at = ?
		WHERE serial_number = ? AND authority_key_identifier = ? AND status = ?`,
		Good, pemOf(cert), at.UTC(), serial, issuer, Intent)
	if err != nil {
		return fmt.Errorf("cannot record certificate %s, which is signed: %w", serial, err)
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return fmt.Errorf("cannot record certificate %s, which is signed: its intent is not there (%d rows, %w)",
			serial, n, err)
	}
	return nil
}

// Enter records a certificate that was issued elsewhere than in these books; where there is a bare serial number
// already, its status stays.
func (d *DB) Enter(cert *x509.Certificate, issuer string, a About, there bool) error {
	e := Entry{About: a, Serial: cert.SerialNumber, Issuer: issuer, Names: namesOf(cert),
		NotBefore: cert.NotBefore, NotAfter: cert.NotAfter}
	if !there {
		return d.insert(e, Good, pemOf(cert))
	}
	metadata, sans, err := e.encode()
	if err != nil {
		return err
	}
	return d.change(errors.New("the books changed meanwhile"), `UPDATE certificates
		SET pem = ?, metadata = ?, sans = ?, common_name = ?, expiry = ?, not_before = ?,
			status = CASE WHEN status = ? THEN ? ELSE status END
		WHERE serial_number = ? AND authority_key_identifier = ? AND pem = ''`,
		pemOf(cert), metadata, sans, a.Identity, e.NotAfter.UTC(), e.NotBefore.UTC(), Intent, Good,
		e.Serial.String(), issuer)
}

func namesOf(cert *x509.Certificate) []string {
	names := slices.Clone(cert.DNSNames)
	for _, u := range cert.URIs {
		names = append(names, u.String())
	}
	return names
}

// insert writes every column as cfssl's certdb does.
func (d *DB) insert(e Entry, status Status, text string) error {
	metadata, sans, err := e.encode()
	if err != nil {
		return err
	}
	_, err = d.db.Exec(`INSERT INTO certificates (serial_number, authority_key_identifier, ca_label, status, reason,
			expiry, revoked_at, pem, issued_at, not_before, metadata, sans, common_name)
		VALUES (?, ?, '', ?, 0, ?, ?, ?, ?, ?, ?, ?, ?)`,
		e.Serial.String(), e.Issuer, status, e.NotAfter.UTC(), time.Time{}, text, e.NotBefore.UTC(), e.NotBefore.UTC(),
		metadata, sans, e.Identity)
	return err
}

func (e Entry) encode() (metadata, sans []byte, err error) {
	metadata, err = json.Marshal(map[string]any{"profile": e.Profile, "identity": e.Identity, "key": e.Key})
	if err == nil {
		sans, err = json.Marshal(append([]string{}, e.Names...))
	}
	return metadata, sans, err
}

func pemOf(cert *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: pemfile.Certificate, Bytes: cert.Raw}))
}

// KeyID returns how the books name an issuer: its subject key identifier, hexadecimal.
func KeyID(cert *x509.Certificate) string { return hex.EncodeToString(cert.SubjectKeyId) }
