package ca

import (
	"fmt"
	"math/big"
	"strings"
	"time"
)

// Status of a certificate in the CA's books.
type Status string

// The statuses. Whether a certificate is over its date is not one of them: see [Record.Expired].
const (
	Intent  Status = "intent"  // about to be signed, or signed by a program that then died: counts as issued
	Good    Status = "good"    // issued
	Revoked Status = "revoked" // for good, or on hold
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

// Expired says whether the certificate is past its end.
func (r Record) Expired(now time.Time) bool { return now.After(r.NotAfter) }

// Held says whether the certificate is on hold: revoked, and can be released.
func (r Record) Held() bool { return r.Status == Revoked && r.reason == Hold }

// IsCA says whether it is the issuing CA's own certificate, which only the root's ARL can revoke.
func (r Record) IsCA() bool { return r.Profile == profileIssuing }

func hexSerial(serial *big.Int) string { return fmt.Sprintf("%x", serial) }

// parseSerial reads a serial number in hexadecimal, as this program, openssl
// ("3F:A0:…", "serial=3FA0…") and browsers show it.
func parseSerial(text string) (*big.Int, error) {
	digits := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(text, "serial="), ":", ""))
	serial, ok := new(big.Int).SetString(strings.TrimPrefix(digits, "0x"), 16)
	if !ok || serial.Sign() <= 0 || serial.BitLen() > 160 {
		return nil, fmt.Errorf("%q is not a serial number in hexadecimal", text)
	}
	return serial, nil
}

// Reason is why a certificate is revoked: a CRLReason of RFC 5280, 5.3.1.
type Reason int

var reasonNames = map[Reason]string{
	0:  "unspecified",
	1:  "keyCompromise",
	2:  "cACompromise",
	3:  "affiliationChanged",
	4:  "superseded",
	5:  "cessationOfOperation",
	6:  "certificateHold",
	9:  "privilegeWithdrawn",
	10: "aACompromise",
}

// The reasons the CA itself looks at.
const (
	KeyCompromise Reason = 1
	CACompromise  Reason = 2
	Hold          Reason = 6 // the only one that can be released
)

// String gives RFC 5280's name.
func (r Reason) String() string { return reasonNames[r] }

// ReasonNames lists the reasons, by their codes.
func ReasonNames() []string {
	var names []string
	for code := range Reason(11) {
		if name, ok := reasonNames[code]; ok {
			names = append(names, name)
		}
	}
	return names
}

// ParseReason reads RFC 5280's name of a reason. There is no removeFromCRL: that is for delta CRLs.
func ParseReason(name string) (Reason, error) {
	for code, known := range reasonNames {
		if strings.EqualFold(known, name) {
			return code, nil
		}
	}
	return 0, fmt.Errorf("%q is not a reason for revoking: want one of %s", name, strings.Join(ReasonNames(), ", "))
}
