// Package consent is the statement by which the user of a TLA starts a session
// (annex code C4): who, which PdT, which act, when, over the gateway's nonce,
// signed with the device key. Gateway and PdT verify it independently.
// docs/protocol.md, section 1.3, is the specification.
package consent

import (
	"crypto"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"tlagate/internal/signed"
	"tlagate/internal/stamp"
)

// Act is what the user did at the terminal.
type Act string

// The acts.
const (
	ActCommand Act = "command" // a command of a local user over the control socket
	ActKey     Act = "key"     // a physical key
)

// Statement is what the user consents to.
type Statement struct {
	Version int       `json:"version"` // 1
	TLA     string    `json:"tla"`     // identity URN
	PdT     string    `json:"pdt"`     // identity URN of the only PdT consented to
	Session string    `json:"session"` // 16 octets in hex
	Nonce   string    `json:"nonce"`   // of the gateway
	Act     Act       `json:"act"`
	By      string    `json:"by,omitempty"` // the user, as the terminal knows them: "uid 1000"
	At      time.Time `json:"at"`           // by the terminal's clock
}

// Want is what the verifier knows by itself, which the statement must say.
type Want struct {
	TLA, PdT, Session, Nonce string
	Now                      time.Time
}

// Skew is how far the terminal's clock may be from the verifier's.
const Skew = 5 * time.Minute

// Why a statement is refused. ErrClock means that its time is off: most likely a clock is wrong.
var (
	errUnreadable = errors.New("cannot read the consent")
	errSignature  = errors.New("the consent is not signed with the terminal's key")
	errMismatch   = errors.New("the consent is for something else")
	ErrClock      = errors.New("the consent is of another time")
)

const (
	version = 1
	maxBy   = 128
)

var form = signed.Form{Preamble: "tlagate consent 1\n", MaxText: 4096,
	Unreadable: errUnreadable, Signature: errSignature}

// Sign returns the text of a signed statement.
func Sign(s Statement, key crypto.Signer) (string, error) {
	s.Version, s.At = version, s.At.UTC().Truncate(time.Millisecond)
	text, err := form.Sign(s, key)
	if err != nil {
		return "", fmt.Errorf("cannot sign the consent: %w", err)
	}
	return text, nil
}

// Verify reads a signed statement, and verifies its signature by the TLA's key and all that want knows.
func Verify(text string, key crypto.PublicKey, want Want) (Statement, error) {
	payload, err := form.Open(text, key)
	if err != nil {
		return Statement{}, err
	}
	s, err := decode(payload)
	if err != nil {
		return Statement{}, err
	}
	return s, s.fits(want)
}

func decode(payload []byte) (Statement, error) {
	s, err := signed.Decode(payload, func(s *Statement) { s.At = s.At.UTC() })
	unprintable := func(r rune) bool { return !unicode.IsPrint(r) }
	if err != nil || s.Version != version || len(s.By) > maxBy || strings.ContainsFunc(s.By, unprintable) ||
		(s.Act != ActCommand && s.Act != ActKey) {
		return s, errUnreadable
	}
	return s, nil
}

func (s Statement) fits(want Want) error {
	for _, f := range []struct{ name, have, want string }{
		{"terminal", s.TLA, want.TLA}, {"Poste de Travail", s.PdT, want.PdT}, {"session", s.Session, want.Session},
		{"nonce", s.Nonce, want.Nonce},
	} {
		if f.have != f.want {
			return fmt.Errorf("%w: its %s is another", errMismatch, f.name)
		}
	}
	if off := s.At.Sub(want.Now); off > Skew || off < -Skew {
		return fmt.Errorf("%w: the terminal's clock says %s, ours %s", ErrClock, stamp.Second(s.At),
			stamp.Second(want.Now))
	}
	return nil
}
