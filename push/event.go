// Package push is the stream of revocations from the PKI to gateways: what travels on it, and the side that listens.
// `tla-pki serve` sends it (package ca/server); docs/push.md is its specification.
//
// The stream only saves time: without it, CRL and OCSP say the same later.
package push

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"time"

	"tlagate/pki/revocation"
)

// Path is where the stream is asked for, with an optional ?since=ID.
const Path = "/v1/events"

// ContentType is that of the stream: one JSON object per line.
const ContentType = "application/x-ndjson"

// Type says what a line is about.
type Type string

// The types of lines, all from server to client. Unknown types are ignored.
const (
	Revoked  Type = "revoked"  // issuer, serial, reason, at, ends, identity: refuse this certificate from now on
	Released Type = "released" // issuer, serial, at, identity: a hold is over
	CRL      Type = "crl"      // issuer, number, at: a new list is published
	Alive    Type = "alive"    // nothing; also sent once everything missed has been sent
)

// Event is one line. Ids rise; a client that was away asks for what came after the last one it saw.
type Event struct {
	Type     Type       `json:"type"`
	ID       int64      `json:"id,omitempty"`       // 0 in alive
	Issuer   string     `json:"issuer,omitempty"`   // subject key identifier of the CA, hexadecimal
	Serial   string     `json:"serial,omitempty"`   // of the certificate, hexadecimal
	Reason   string     `json:"reason,omitempty"`   // RFC 5280's name of a CRLReason
	Identity string     `json:"identity,omitempty"` // of the certificate, for people
	Number   string     `json:"number,omitempty"`   // of the list, decimal
	At       *time.Time `json:"at,omitempty"`
	Ends     *time.Time `json:"ends,omitempty"` // of the certificate: its notAfter
}

// reasons are the names of RFC 5280 section 5.3.1.
var reasons = map[string]int{
	"unspecified": 0, "keyCompromise": 1, "cACompromise": 2, "affiliationChanged": 3, "superseded": 4,
	"cessationOfOperation": 5, "certificateHold": 6, "privilegeWithdrawn": 9, "aACompromise": 10,
}

// Denied returns the certificate that a revoked or released event is about, as an entry of the deny list. An unknown
// reason counts as none, and the revocation still counts.
func (e Event) Denied() (revocation.Denied, error) {
	issuer, err := hex.DecodeString(e.Issuer)
	if err != nil || len(issuer) == 0 || len(issuer) > 64 {
		return revocation.Denied{}, errors.New("cannot read the event: issuer is no key identifier in hexadecimal")
	}
	serial, ok := new(big.Int).SetString(e.Serial, 16)
	if !ok || serial.Sign() <= 0 || serial.BitLen() > 160 {
		return revocation.Denied{}, fmt.Errorf(
			"cannot read the event: serial is no number of at most 20 octets in hexadecimal")
	}
	d := revocation.Denied{IssuerKeyID: issuer, Serial: serial, Reason: reasons[e.Reason]}
	if e.At != nil {
		d.At = *e.At
	}
	if e.Ends != nil {
		d.Ends = *e.Ends
	}
	return d, nil
}
