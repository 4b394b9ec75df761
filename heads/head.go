package heads

import (
	"crypto"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"tlagate/internal/signed"
	"tlagate/pki"
)

// Statement is the head of a trace: its last line.
type Statement struct {
	Version int       `json:"version"` // 1
	Gateway string    `json:"gateway"` // identity URN
	Number  uint64    `json:"number"`  // of the line, from 1
	Hash    string    `json:"hash"`    // SHA-256 of the line, 64 hexadecimal digits
	At      time.Time `json:"at"`      // when it was signed; UTC, milliseconds
}

// Why a head cannot be taken.
var (
	errUnreadable = errors.New("cannot read the head")
	errSignature  = errors.New("the head is not signed with the key of the certificate")
	errIdentity   = errors.New("the head names another gateway than the certificate")
)

// MaxText is the longest head, in octets.
const MaxText = 1024

const version = 1

var form = signed.Form{Preamble: "tlagate head 1\n", MaxText: MaxText,
	Unreadable: errUnreadable, Signature: errSignature}

// Sign returns the text of a head, signed with the key of the gateway's client certificate.
func Sign(s Statement, key crypto.Signer) (string, error) {
	s.Version, s.At = version, s.At.UTC().Truncate(time.Millisecond)
	if !s.sound() {
		return "", fmt.Errorf("cannot sign a head of line %d with a hash of %d digits", s.Number, len(s.Hash))
	}
	text, err := form.Sign(s, key)
	if err == nil && len(text) > MaxText {
		err = fmt.Errorf("cannot sign a head: it would be %d octets, more than %d; use a key on P-256 or P-384",
			len(text), MaxText)
	}
	return text, err
}

// Open reads a head, and verifies that the gateway of the certificate signed it about itself. Whether that certificate
// is to be believed is for the caller to know.
func Open(text string, by *x509.Certificate) (Statement, error) {
	payload, err := form.Open(text, by.PublicKey)
	if err != nil {
		return Statement{}, err
	}
	s, err := decode(payload)
	if err != nil {
		return Statement{}, err
	}
	if id, err := pki.IdentityOf(by); err != nil || id.String() != s.Gateway {
		return Statement{}, errIdentity
	}
	return s, nil
}

func decode(payload []byte) (Statement, error) {
	s, err := signed.Decode(payload, func(s *Statement) { s.At = s.At.UTC().Truncate(time.Millisecond) })
	if err != nil || s.Version != version || !s.sound() {
		return Statement{}, errUnreadable
	}
	return s, nil
}

// sound reports whether number and hash can be those of a line.
func (s Statement) sound() bool {
	sum, err := hex.DecodeString(s.Hash)
	return err == nil && len(sum) == 32 && s.Hash == strings.ToLower(s.Hash) &&
		s.Number > 0 && s.Number < math.MaxInt64 // so that the next one is a number, too
}
