// Package est enrols devices over EST (RFC 7030): one-time codes, messages, and the client. The server is in
// ca/server. docs/enrolment.md is the specification.
package est

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"strings"
)

// Sizes of a code (docs/enrolment.md, section 1).
const (
	anchorHashSize = 16 // octets of SHA-256 over the anchor's SubjectPublicKeyInfo
	secretSize     = 10 // octets

	codeFormat = 1
	codeBits   = 225
	checkBits  = 13
	codeLength = codeBits / 5 // characters
	groupSize  = 5            // characters
)

// alphabet is Crockford's base 32.
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// Code is a one-time code: it names the anchor that a new device is to trust, and proves to the PKI that the device was
// invited. It is a secret and prints as CODE, so that no log has it by mistake; see Text.
type Code struct {
	anchor [anchorHashSize]byte
	secret [secretSize]byte
}

// NewCode returns a new code for a device that is to trust root.
func NewCode(root *x509.Certificate) Code {
	c := Code{anchor: hashAnchor(root)}
	rand.Read(c.secret[:]) // never fails
	return c
}

func hashAnchor(cert *x509.Certificate) [anchorHashSize]byte {
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return [anchorHashSize]byte(sum[:anchorHashSize])
}

// Names reports whether cert is the trust anchor that the code names.
func (c Code) Names(cert *x509.Certificate) bool {
	have := hashAnchor(cert)
	return subtle.ConstantTimeCompare(have[:], c.anchor[:]) == 1
}

// Hash returns what the PKI stores of a code: SHA-256 of its secret.
func (c Code) Hash() [sha256.Size]byte { return sha256.Sum256(c.secret[:]) }

// String does not reveal the code.
func (c Code) String() string { return "CODE" }

// GoString does not reveal the code.
func (c Code) GoString() string { return "CODE" }

// Text returns the code for a person or a device to read: nine groups of five characters.
func (c Code) Text() string {
	n := new(big.Int).SetBytes(c.body())
	n.Lsh(n, checkBits-padBits).Or(n, big.NewInt(int64(check(c.body()))))
	var out strings.Builder
	for i := range codeLength {
		if i > 0 && i%groupSize == 0 {
			out.WriteByte('-')
		}
		digit := new(big.Int).Rsh(n, uint(5*(codeLength-1-i))).Uint64() & 31
		out.WriteByte(alphabet[digit])
	}
	return out.String()
}

// padBits fill the body up to whole octets.
const padBits = bodySize*8 - (codeBits - checkBits)

const bodySize = (codeBits - checkBits + 7) / 8

// body returns format, anchor hash and secret, padded with zero bits at the end.
func (c Code) body() []byte {
	n := big.NewInt(codeFormat)
	n.Lsh(n, 8*anchorHashSize).Or(n, new(big.Int).SetBytes(c.anchor[:]))
	n.Lsh(n, 8*secretSize).Or(n, new(big.Int).SetBytes(c.secret[:]))
	return n.Lsh(n, padBits).FillBytes(make([]byte, bodySize))
}

func check(body []byte) uint16 {
	sum := sha256.Sum256(body)
	return (uint16(sum[0])<<8 | uint16(sum[1])) >> (16 - checkBits)
}

// What is wrong with a code; the messages never quote it.
var (
	errCodeLength = fmt.Errorf("cannot read the code: it has not %d letters and digits", codeLength)
	errCodeTyped  = errors.New("cannot read the code: it is mistyped")
	errCodeFormat = errors.New("cannot read the code: it is of a later format than this program knows")
)

// ParseCode reads a code as a person types it. The error never quotes it.
func ParseCode(text string) (Code, error) {
	digits, err := parseDigits(text)
	if err != nil {
		return Code{}, err
	}
	n := new(big.Int)
	for _, d := range digits {
		n.Lsh(n, 5).Or(n, big.NewInt(int64(d)))
	}
	var c Code
	sum := uint16(n.Uint64() & (1<<checkBits - 1))
	body := new(big.Int).Rsh(n, checkBits)
	padded := new(big.Int).Lsh(body, padBits).FillBytes(make([]byte, bodySize))
	if check(padded) != sum {
		return Code{}, errCodeTyped
	}
	if body.Bit(codeBits-checkBits-4) != 1 || body.BitLen() != codeBits-checkBits-3 {
		return Code{}, errCodeFormat
	}
	octets := body.FillBytes(make([]byte, bodySize)) // 4 zero bits, format, anchor, secret
	copy(c.anchor[:], octets[bodySize-secretSize-anchorHashSize:])
	copy(c.secret[:], octets[bodySize-secretSize:])
	return c, nil
}

// parseDigits returns the digits' values, without what separates the groups.
func parseDigits(text string) ([]byte, error) {
	if len(text) > 4*codeLength {
		return nil, errCodeLength
	}
	alike := strings.NewReplacer("-", "", " ", "", "\t", "", "O", "0", "I", "1", "L", "1")
	text = alike.Replace(strings.ToUpper(strings.TrimSpace(text)))
	if len(text) != codeLength {
		return nil, errCodeLength
	}
	digits := make([]byte, codeLength)
	for i := range codeLength {
		d := strings.IndexByte(alphabet, text[i])
		if d < 0 {
			return nil, errCodeTyped
		}
		digits[i] = byte(d)
	}
	return digits, nil
}
