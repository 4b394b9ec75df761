// Package ticket is the statement that a gateway signs for a TLA whose user's
// consent it has verified, so that every gateway lets the same session have a
// further link (annex code C4). docs/protocol.md, section 4.1, is the
// specification.
package ticket

import (
	"crypto"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"tlagate/internal/signed"
)

// Statement is what a gateway vouches for.
type Statement struct {
	Version    int       `json:"version"` // 1
	TLA        string    `json:"tla"`     // identity URN
	PdT        string    `json:"pdt"`     // identity URN
	Session    string    `json:"session"` // 16 octets in hex
	Generation uint32    `json:"generation"`
	Began      time.Time `json:"began"` // the session; its absolute limit counts from here
	Expires    time.Time `json:"expires"`

	User []byte `json:"user,omitempty"` // the certificate (DER) of the session's user, whose proof was verified
}

// Want is what the verifier knows by itself, which the ticket must say.
type Want struct {
	TLA, PdT, Session string
	Now               time.Time
}

// Why a ticket is refused.
var (
	errUnreadable = errors.New("cannot read the ticket")
	errSignature  = errors.New("the ticket is not signed by the gateway that it names")
	errMismatch   = errors.New("the ticket is for something else")
	errOver       = errors.New("the ticket has ended")
)

// MaxText is the longest ticket, in octets: what fits into an Authorization and into a record.
const MaxText = 12 << 10

const (
	version  = 1
	maxCerts = 6
)

var form = signed.Form{Preamble: "tlagate ticket 1\n", MaxText: MaxText,
	Unreadable: errUnreadable, Signature: errSignature}

// Sign returns the text of a ticket: the statement, signed with key, and the chain of that key (DER, leaf first).
func Sign(s Statement, chain [][]byte, key crypto.Signer) (string, error) {
	s.Version, s.Began, s.Expires = version, s.Began.UTC().Truncate(time.Millisecond),
		s.Expires.UTC().Truncate(time.Second)
	text, err := form.Sign(s, key)
	if err != nil {
		return "", fmt.Errorf("cannot sign a ticket: %w", err)
	}
	for _, der := range chain {
		text += "." + base64.RawURLEncoding.EncodeToString(der)
	}
	if len(text) > MaxText || len(chain) > maxCerts {
		return "", fmt.Errorf("cannot make a ticket: our chain of %d certificates, or that of its user, is too long",
			len(chain))
	}
	return text, nil
}

// Chain returns the certificates (DER, leaf first) in a ticket. It verifies nothing.
func Chain(text string) ([][]byte, error) {
	_, certs, err := split(text)
	return certs, err
}

// Generation returns the number of the link that a ticket is for. It verifies nothing: that is the gateway's task.
func Generation(text string) (uint32, error) {
	first, _, _ := strings.Cut(text, ".")
	payload, err := signed.Field(first)
	if err != nil {
		return 0, err
	}
	s, err := decode(payload)
	return s.Generation, err
}

func decode(payload []byte) (Statement, error) {
	s, err := signed.Decode(payload, func(s *Statement) { s.Began, s.Expires = s.Began.UTC(), s.Expires.UTC() })
	if err != nil || s.Version != version || s.Generation < 2 {
		return Statement{}, errUnreadable
	}
	return s, nil
}

// Verify reads a ticket, and verifies its signature by the key of its leaf, which the caller has verified, and all that
// want knows.
func Verify(text string, key crypto.PublicKey, want Want) (Statement, error) {
	statement, _, err := split(text)
	if err != nil {
		return Statement{}, err
	}
	payload, err := form.Open(statement, key)
	if err != nil {
		return Statement{}, err
	}
	s, err := decode(payload)
	if err != nil {
		return Statement{}, err
	}
	return s, s.fits(want)
}

func (s Statement) fits(want Want) error {
	switch {
	case s.TLA != want.TLA, s.PdT != want.PdT, s.Session != want.Session:
		return errMismatch
	case !want.Now.Before(s.Expires):
		return errOver
	}
	return nil
}

func split(text string) (statement string, certs [][]byte, err error) {
	fields := strings.Split(text, ".")
	if len(text) > MaxText || len(fields) < 3 || len(fields) > 2+maxCerts {
		return "", nil, errUnreadable
	}
	for _, f := range fields[2:] {
		der, err := signed.Field(f)
		if err != nil || len(der) == 0 {
			return "", nil, errUnreadable
		}
		certs = append(certs, der)
	}
	return fields[0] + "." + fields[1], certs, nil
}
