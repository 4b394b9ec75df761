package store

import (
	"fmt"
	"math/big"
	"strings"
	"time"
)

// Status of a certificate in the CA's books.
type Status string

// The statuses. Whether a certificate has expired is not one of them: see [Record.Expired].
const (
	Intent  Status = "intent"  // about to be signed, or signed by a program that then died: counts as issued
	Good    Status = "good"    // issued
	Revoked Status = "revoked" // for good, or on hold
)

// Profiles of a record that the store itself looks at.
const (
	ProfileIssuing = "issuing" // of the issuing CA's own certificate
	profileLost    = "lost"    // profile, and identity, of a certificate of which only the serial number is known
)

// Record is what the CA knows of one certificate.
type Record struct {
	Serial    string     `json:"serial"` // hexadecimal
	Issuer    string     `json:"issuer"` // subject key identifier of the issuing CA, hexadecimal
	Profile   string     `json:"profile"`
	Identity  string     `json:"identity"` // URN; of a CA: its name
	Names     []string   `json:"names"`    // every subject alternative name
	Status    Status     `json:"status"`
	NotBefore time.Time  `json:"not_before"`
	NotAfter  time.Time  `json:"not_after"`
	RevokedAt *time.Time `json:"revoked_at,omitempty"`
	Reason    string     `json:"reason,omitempty"` // RFC 5280's name
	PEM       string     `json:"pem,omitempty"`    // empty in an intent

	serial *big.Int
	reason Reason
}

// Expired reports whether the certificate is past its end.
func (r Record) Expired(now time.Time) bool { return now.After(r.NotAfter) }

// Held reports whether the certificate is on hold: revoked, and can be released.
func (r Record) Held() bool { return r.Status == Revoked && r.reason == Hold }

// Compromised reports whether the certificate was revoked because its key is no longer its owner's alone.
func (r Record) Compromised() bool {
	return r.Status == Revoked && (r.reason == KeyCompromise || r.reason == CACompromise)
}

// IsCA reports whether it is the issuing CA's own certificate, which only the root's ARL can revoke.
func (r Record) IsCA() bool { return r.Profile == ProfileIssuing }

// RenewalDue returns when the certificate should be renewed: a third of its life is left then.
func (r Record) RenewalDue() time.Time { return r.NotAfter.Add(-r.NotAfter.Sub(r.NotBefore) / 3) }

// FormatSerial returns a serial number as records have it: hexadecimal.
func FormatSerial(serial *big.Int) string { return fmt.Sprintf("%x", serial) }

// ParseSerial reads a serial number in hexadecimal, as this program, openssl
// ("3F:A0:…", "serial=3FA0…") and browsers show it.
func ParseSerial(text string) (*big.Int, error) {
	digits := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(text, "serial="), ":", ""))
	serial, ok := new(big.Int).SetString(strings.TrimPrefix(digits, "0x"), 16)
	if !ok || serial.Sign() <= 0 || serial.BitLen() > 160 {
		return nil, fmt.Errorf("%q is not a serial number in hexadecimal", text)
	}
	return serial, nil
}
