// Package signed is the form of a signed statement:
// `BASE64URL(JSON) "." BASE64URL(signature)`, both without padding. It is read
// so strictly that no two readers can see two statements in one text
// (docs/protocol.md, sections 1.3 and 4.1).
package signed

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
)

// errUnreadable is for a field or payload; for a whole text, the Form has an error of its own.
var errUnreadable = errors.New("cannot read the statement")

// Form is one kind of statement.
type Form struct {
	Preamble string // signed before the payload, so that no signature over anything else is one of this kind
	MaxText  int    // octets

	Unreadable, Signature error // why a text is refused
}

// Sign returns the text of a statement, which must marshal to JSON.
func (f Form) Sign(statement any, key crypto.Signer) (string, error) {
	payload, err := json.Marshal(statement)
	if err != nil {
		return "", fmt.Errorf("cannot write the statement: %w", err)
	}
	hash, options, err := algorithm(key.Public())
	if err != nil {
		return "", err
	}
	signature, err := key.Sign(rand.Reader, f.digest(hash, payload), options)
	if err != nil {
		return "", fmt.Errorf("cannot sign the statement: %w", err)
	}
	return encode(payload) + "." + encode(signature), nil
}

// Text returns the text of a statement whose signature, in base64url, is told apart from it, as Open wants it.
func (f Form) Text(statement any, signature string) (string, error) {
	payload, err := json.Marshal(statement)
	if err != nil {
		return "", fmt.Errorf("cannot write the statement: %w", err)
	}
	return encode(payload) + "." + signature, nil
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// Open returns the statement of a text that key signed; the error is one of f's.
func (f Form) Open(text string, key crypto.PublicKey) ([]byte, error) {
	first, second, ok := strings.Cut(text, ".")
	if !ok || len(text) > f.MaxText {
		return nil, f.Unreadable
	}
	payload, errP := Field(first)
	signature, errS := Field(second)
	if errP != nil || errS != nil {
		return nil, f.Unreadable
	}
	if !f.signs(key, payload, signature) {
		return nil, f.Signature
	}
	return payload, nil
}

// Field reads one base64url field.
func Field(s string) ([]byte, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || strings.ContainsAny(s, "\r\n") {
		return nil, errUnreadable
	}
	return b, nil
}

// Decode reads a payload exactly as Sign writes it: without spaces, doubled or unknown members, or another order.
// settle brings what was read to the form in which it was written; nil = it has that form.
func Decode[T any](payload []byte, settle func(*T)) (T, error) {
	var s T
	in := json.NewDecoder(bytes.NewReader(payload))
	in.DisallowUnknownFields()
	if err := in.Decode(&s); err != nil {
		return s, errUnreadable
	}
	if settle != nil {
		settle(&s)
	}
	again, err := json.Marshal(s)
	if err != nil || !bytes.Equal(again, payload) {
		return s, errUnreadable
	}
	return s, nil
}

// algorithm returns the one way to sign with a key (G5): ECDSA with the curve's hash, or RSA-PSS with SHA-256.
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
	return 0, nil, fmt.Errorf("cannot sign a statement with a key of type %T", key)
}

func (f Form) digest(hash crypto.Hash, payload []byte) []byte {
	h := hash.New()
	h.Write([]byte(f.Preamble))
	h.Write(payload)
	return h.Sum(nil)
}

func (f Form) signs(key crypto.PublicKey, payload, signature []byte) bool {
	hash, _, err := algorithm(key)
	if err != nil {
		return false
	}
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(k, f.digest(hash, payload), signature)
	case *rsa.PublicKey:
		return rsa.VerifyPSS(k, hash, f.digest(hash, payload), signature,
			&rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
	}
	return false
}
