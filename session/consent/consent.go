// Package consent is the statement by which the user of a TLA starts a session (annex code C4): who, which PdT, which act, when, over the gateway's
// nonce, signed with the device key. Gateway and PdT verify it, each by itself. docs/protocol.md, section 1.3, is the specification.
package consent

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
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
	PdT     string    `json:"pdt"`     // identity URN: this one and no other
	Session string    `json:"session"` // 16 octets in hex
	Nonce   string    `json:"nonce"`   // of the gateway
	Act     Act       `json:"act"`
	By      string    `json:"by,omitempty"` // who did it, as the terminal knows them: "uid 1000"
	At      time.Time `json:"at"`           // by the terminal's clock
}

// Want is what a verifier knows by itself.
type Want struct {
	TLA, PdT, Session, Nonce string
	Now                      time.Time
}

// Skew is how far the terminal's clock may be from the verifier's.
const Skew = 5 * time.Minute

// Why a statement is not believed. ErrClock is one whose time is off: most likely a clock is wrong.
var (
	ErrUnreadable = errors.New("cannot read the consent")
	ErrSignature  = errors.New("the consent is not signed with the terminal's key")
	ErrMismatch   = errors.New("the consent is for something else")
	ErrClock      = errors.New("the consent is of another time")
)

const (
	version  = 1
	maxText  = 4096
	maxBy    = 128
	preamble = "tlagate consent 1\n" // so that no signature over something else is one over a consent
)

// Sign gives the text of a signed statement: two base64url fields, a point between them.
func Sign(s Statement, key crypto.Signer) (string, error) {
	s.Version, s.At = version, s.At.UTC().Truncate(time.Millisecond)
	payload, err := json.Marshal(s)
	if err != nil {
		return "", fmt.Errorf("cannot write the consent: %w", err)
	}
	hash, options, err := algorithm(key.Public())
	if err != nil {
		return "", err
	}
	signature, err := key.Sign(rand.Reader, digest(hash, payload), options)
	if err != nil {
		return "", fmt.Errorf("cannot sign the consent: %w", err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	return encode(payload) + "." + encode(signature), nil
}

// Verify reads a signed statement and checks its signature by the TLA's key, and all that want knows.
func Verify(text string, key crypto.PublicKey, want Want) (Statement, error) {
	payload, signature, err := split(text)
	if err != nil {
		return Statement{}, err
	}
	if err := check(key, payload, signature); err != nil {
		return Statement{}, err
	}
	s, err := decode(payload)
	if err != nil {
		return Statement{}, err
	}
	return s, s.fits(want)
}

func split(text string) (payload, signature []byte, err error) {
	first, second, ok := strings.Cut(text, ".")
	if !ok || len(text) > maxText {
		return nil, nil, ErrUnreadable
	}
	strict := base64.RawURLEncoding.Strict()
	payload, errP := strict.DecodeString(first)
	signature, errS := strict.DecodeString(second)
	if errP != nil || errS != nil || strings.ContainsAny(text, "\r\n") {
		return nil, nil, ErrUnreadable
	}
	return payload, signature, nil
}

// decode is strict: who reads a statement otherwise than another reads another statement.
func decode(payload []byte) (Statement, error) {
	var s Statement
	in := json.NewDecoder(bytes.NewReader(payload))
	in.DisallowUnknownFields()
	if err := in.Decode(&s); err != nil {
		return s, ErrUnreadable
	}
	s.At = s.At.UTC()
	again, err := json.Marshal(s)
	if err != nil || !bytes.Equal(again, payload) {
		return s, ErrUnreadable // spaces, doubled members, another order: not as Sign writes it
	}
	unprintable := func(r rune) bool { return !unicode.IsPrint(r) }
	if s.Version != version || len(s.By) > maxBy || strings.ContainsFunc(s.By, unprintable) || (s.Act != ActCommand && s.Act != ActKey) {
		return s, ErrUnreadable
	}
	return s, nil
}

func (s Statement) fits(want Want) error {
	for _, f := range []struct{ name, have, want string }{
		{"terminal", s.TLA, want.TLA}, {"Poste de Travail", s.PdT, want.PdT}, {"session", s.Session, want.Session}, {"nonce", s.Nonce, want.Nonce},
	} {
		if f.have != f.want {
			return fmt.Errorf("%w: its %s is another", ErrMismatch, f.name)
		}
	}
	if off := s.At.Sub(want.Now); off > Skew || off < -Skew {
		return fmt.Errorf("%w: the terminal's clock says %s, ours %s", ErrClock, stamp(s.At), stamp(want.Now))
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// algorithm gives the one way of signing for a key (G5): ECDSA with the curve's hash, or RSA-PSS with SHA-256.
func algorithm(key crypto.PublicKey) (crypto.Hash, crypto.SignerOpts, error) {
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256():
			return crypto.SHA256, crypto.SHA256, nil
		case elliptic.P384():
			return crypto.SHA384, crypto.SHA384, nil
		}
	case *rsa.PublicKey:
		return crypto.SHA256, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}, nil
	}
	return 0, nil, fmt.Errorf("cannot sign a consent with a key of type %T", key)
}

func digest(hash crypto.Hash, payload []byte) []byte {
	h := hash.New()
	h.Write([]byte(preamble))
	h.Write(payload)
	return h.Sum(nil)
}

func check(key crypto.PublicKey, payload, signature []byte) error {
	hash, _, err := algorithm(key)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	good := false
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		good = ecdsa.VerifyASN1(k, digest(hash, payload), signature)
	case *rsa.PublicKey:
		good = rsa.VerifyPSS(k, hash, digest(hash, payload), signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
	}
	if !good {
		return ErrSignature
	}
	return nil
}
