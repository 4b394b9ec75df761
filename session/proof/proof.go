// Package proof is the statement by which a card of theirs says which person
// uses a TLA (annex codes C2, SA1): signed, over the same nonce as the consent
// and over the consent itself, by the key of a certificate that names the
// person. Gateway and PdT verify it independently. Whether that certificate
// passes, and who the person is, is for their trust stores to say.
// docs/protocol.md, section 1.3, is the specification.
package proof

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tlagate/internal/signed"
	"tlagate/internal/stamp"
)

// Means is how a person is authenticated.
type Means string

// MeansCPS is a card of the person with a PIN. Others may come.
const MeansCPS Means = "cps"

// Statement is what the card signs.
type Statement struct {
	Version  int       `json:"version"` // 1
	Means    Means     `json:"means"`
	Gateway  string    `json:"gateway"`  // identity URN
	PdT      string    `json:"pdt"`      // identity URN
	TLA      string    `json:"tla"`      // identity URN
	Session  string    `json:"session"`  // 16 octets in hex
	Nonce    string    `json:"nonce"`    // of the gateway
	Exporter string    `json:"exporter"` // of the outer link: tls-exporter, 32 octets in hex
	Consent  string    `json:"consent"`  // of the text of the consent: SHA-256 in hex
	At       time.Time `json:"at"`       // by the terminal's clock
}

// Want is what a verifier knows by itself, which the statement must say.
type Want struct {
	Gateway, PdT, TLA, Session, Nonce string

	Consent  string    // its text, not the hash
	Exporter string    // of the outer link, in hex; "" = the verifier is not at its end (the PdT)
	Now      time.Time // by the verifier's clock
}

// The parameters of a proof.
const (
	MaxText       = 6144                    // octets of a proof
	Skew          = 5 * time.Minute         // how far the terminal's clock may be from the verifier's
	ExporterLabel = "EXPORTER-tlagate-user" // of tls-exporter (RFC 8446, 7.5), without a context
	ExporterLen   = 32                      // octets
	nonceLength   = 43                      // characters
	version       = 1
	preamble      = "tlagate user 1\n"
)

// Why a proof is refused. ErrClock means that its time is off: most likely a clock is wrong.
var (
	ErrUnreadable = errors.New("cannot read the proof of the terminal's user")
	ErrSignature  = errors.New("the proof is not signed with the key of its certificate")
	ErrMismatch   = errors.New("the proof is for something else")
	ErrClock      = errors.New("the proof is of another time")
)

// ErrTooLong says that a proof would be longer than MaxText, for its certificate is.
var ErrTooLong = errors.New("the card's certificate is too long for a proof")

// Proof is one that was read; nothing of it is verified.
type Proof struct {
	Statement   Statement
	Certificate *x509.Certificate // the person's

	payload, signature []byte
}

// Make returns the text of a proof. sign has the card sign a digest, SHA-256, with the key of certificate (DER): ECDSA
// in ASN.1, RSA-PSS with a salt of 32 octets, or RSA PKCS#1 v1.5. The result is not verified: what a card signed may be
// verified with [Parse] and [Proof.Verify].
func Make(s Statement, certificate []byte, sign func(digest [sha256.Size]byte) ([]byte, error)) (string, error) {
	payload, err := s.payload()
	if err != nil {
		return "", err
	}
	signature, err := sign(digest(payload))
	if err != nil {
		return "", err
	}
	text := strings.Join([]string{encode(payload), encode(signature), encode(certificate)}, ".")
	if len(text) > MaxText {
		return "", tooLong(len(text))
	}
	return text, nil
}

// payload returns the statement as it is signed.
func (s Statement) payload() ([]byte, error) {
	s.Version, s.At = version, s.At.UTC().Truncate(time.Millisecond)
	payload, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("cannot write the proof: %w", err)
	}
	return payload, nil
}

func tooLong(octets int) error {
	return fmt.Errorf("%w: it would have %d octets, want at most %d", ErrTooLong, octets, MaxText)
}

// CheckLength returns an error, which is ErrTooLong, unless a proof that s is said by the holder of a certificate is
// short enough to be sent, whatever nonce it is over and however the card signs. So a user can be told before they
// prove anything.
func CheckLength(s Statement, certificate *x509.Certificate) error {
	s.Nonce, s.At = strings.Repeat("0", nonceLength), time.Unix(0, 999e6)
	payload, err := s.payload()
	if err != nil {
		return err
	}
	octets := len("..")
	for _, n := range []int{len(payload), longestSignature(certificate.PublicKey), len(certificate.Raw)} {
		octets += base64.RawURLEncoding.EncodedLen(n)
	}
	if octets > MaxText {
		return tooLong(octets)
	}
	return nil
}

// longestSignature returns how many octets a signature has at most.
func longestSignature(key crypto.PublicKey) int {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return k.Size()
	case *ecdsa.PublicKey: // a sequence of two numbers, each with a sign
		return 2 + 2*(2+1+(k.Params().BitSize+7)/8)
	}
	return 0
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func digest(payload []byte) [sha256.Size]byte {
	return sha256.Sum256(append([]byte(preamble), payload...))
}

// HashOf returns the hash of a consent's text, as a statement has it.
func HashOf(consent string) string {
	sum := sha256.Sum256([]byte(consent))
	return hex.EncodeToString(sum[:])
}

// Parse reads a proof as strictly as Make writes it. Nothing of it is verified.
func Parse(text string) (*Proof, error) {
	fields, err := split(text)
	if err != nil {
		return nil, ErrUnreadable
	}
	p := &Proof{payload: fields[0], signature: fields[1]}
	if p.Statement, err = signed.Decode(p.payload, func(s *Statement) { s.At = s.At.UTC() }); err != nil ||
		p.Statement.Version != version || p.Statement.Means != MeansCPS {
		return nil, ErrUnreadable
	}
	if p.Certificate, err = x509.ParseCertificate(fields[2]); err != nil { // whose error may quote a name in it
		return nil, fmt.Errorf("%w: its certificate cannot be parsed", ErrUnreadable)
	}
	return p, nil
}

// split returns the three fields of a proof.
func split(text string) (fields [3][]byte, err error) {
	parts := strings.Split(text, ".")
	if len(text) > MaxText || len(parts) != len(fields) {
		return fields, ErrUnreadable
	}
	for i, part := range parts {
		if fields[i], err = signed.Field(part); err != nil {
			return fields, err
		}
	}
	return fields, nil
}

// Verify verifies that the statement says what want knows, and that the certificate's key signed it.
func (p *Proof) Verify(want Want) error {
	if err := p.Statement.fits(want); err != nil {
		return err
	}
	if !signs(p.Certificate.PublicKey, digest(p.payload), p.signature) {
		return ErrSignature
	}
	return nil
}

// The ways in which cards may sign. Cards that know RSA PKCS#1 v1.5 alone exist, so it is accepted here, and for no
// other statement.
var (
	curves  = []elliptic.Curve{elliptic.P256(), elliptic.P384()}
	rsaWays = []crypto.SignerOpts{&rsa.PSSOptions{SaltLength: sha256.Size, Hash: hash}, hash}
)

const hash = crypto.SHA256

// longestRSA is the longest modulus of a card, in bits. Whose key it is was not looked at yet, and one that fills a
// proof would take a hundred times as long to verify with.
const longestRSA = 4096

// signs reports whether key made the signature, in one of those ways.
func signs(key crypto.PublicKey, digest [sha256.Size]byte, signature []byte) bool {
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		return slices.Contains(curves, k.Curve) && ecdsa.VerifyASN1(k, digest[:], signature)
	case *rsa.PublicKey:
		return k.N.BitLen() <= longestRSA && slices.ContainsFunc(rsaWays, func(way crypto.SignerOpts) bool {
			if pss, ok := way.(*rsa.PSSOptions); ok {
				return rsa.VerifyPSS(k, hash, digest[:], signature, pss) == nil
			}
			return rsa.VerifyPKCS1v15(k, hash, digest[:], signature) == nil
		})
	}
	return false
}

func (s Statement) fits(want Want) error {
	for _, f := range []struct{ name, have, want string }{
		{"gateway", s.Gateway, want.Gateway}, {"Poste de Travail", s.PdT, want.PdT}, {"terminal", s.TLA, want.TLA},
		{"session", s.Session, want.Session}, {"nonce", s.Nonce, want.Nonce},
		{"consent", s.Consent, HashOf(want.Consent)},
	} {
		if f.have != f.want {
			return fmt.Errorf("%w: its %s is another", ErrMismatch, f.name)
		}
	}
	if want.Exporter != "" && s.Exporter != want.Exporter || len(s.Exporter) != 2*ExporterLen {
		return fmt.Errorf("%w: its connection is another", ErrMismatch)
	}
	if off := s.At.Sub(want.Now); off > Skew || off < -Skew {
		return fmt.Errorf("%w: the terminal's clock says %s, ours %s", ErrClock, stamp.Second(s.At),
			stamp.Second(want.Now))
	}
	return nil
}
