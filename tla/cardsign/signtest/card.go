// Package signtest has cards of persons for tests, one for each way in which a card signs (docs/policy.md).
package signtest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Card is what the cards of this package share: a key, its certificate, and a PIN with three tries. It answers without
// mercy what is not as its specification says. It is for one goroutine at a time.
type Card struct {
	Certificate *x509.Certificate
	PIN         string
	Tries       int
	Verified    bool
	Signed      int // signatures made

	Log []byte // instructions, in the order in which they came; those of chained parts, too

	key     crypto.Signer
	pinRef  byte
	app     []byte // its AID
	current []byte // AID selected; nil = none
	waiting []byte // for GET RESPONSE
	chain   []byte
	execute func(ins, p1, p2 byte, data []byte) ([]byte, uint16)
	forget  func()
}

// Good is the PIN of all these cards.
const Good = "7391"

// Reset does what a reset does to a card.
func (c *Card) Reset() {
	c.Verified, c.current, c.waiting, c.chain = false, nil, nil, nil
	c.forget()
}

// Process executes a command as a reader with T=0 passes it on: no Le beside data.
func (c *Card) Process(apdu []byte) []byte {
	ins := apdu[1]
	c.Log = append(c.Log, ins)
	data, le := []byte(nil), 0
	switch body := apdu[4:]; {
	case len(body) == 1:
		le = (int(body[0])+255)%256 + 1
	case len(body) > 1:
		if len(body) != 1+int(body[0]) {
			return []byte{0x67, 0x00}
		}
		data = body[1:]
	}
	if ins == 0xC0 {
		return c.give(le)
	}
	if apdu[0]&^0x10 != 0 {
		return []byte{0x6E, 0x00}
	}
	c.chain = append(c.chain, data...)
	if apdu[0]&0x10 != 0 {
		return []byte{0x90, 0x00}
	}
	data, c.chain = c.chain, nil
	answer, sw := c.perform(ins, apdu[2], apdu[3], data)
	if sw != 0x9000 || len(answer) == 0 {
		return []byte{byte(sw >> 8), byte(sw)}
	}
	c.waiting = answer
	if le == 0 {
		return []byte{0x61, byte(min(len(answer), 256))}
	}
	return c.give(le)
}

func (c *Card) give(le int) []byte {
	n := min(le, len(c.waiting))
	part := bytes.Clone(c.waiting[:n])
	if c.waiting = c.waiting[n:]; len(c.waiting) > 0 {
		return append(part, 0x61, byte(min(len(c.waiting), 256)))
	}
	return append(part, 0x90, 0x00)
}

func (c *Card) perform(ins, p1, p2 byte, data []byte) ([]byte, uint16) {
	switch {
	case ins == 0xA4 && p1 == 0x04:
		if !bytes.Equal(data, c.app) {
			return nil, 0x6A82
		}
		c.Reset()
		c.current = c.app
		return nil, 0x9000
	case c.current == nil:
		return nil, 0x6985
	case ins == 0x20:
		return nil, c.verify(p1, p2, data)
	}
	return c.execute(ins, p1, p2, data)
}

func (c *Card) verify(p1, p2 byte, data []byte) uint16 {
	padded := append([]byte(c.PIN), bytes.Repeat([]byte{0xFF}, 8-len(c.PIN))...)
	switch {
	case p1 != 0 || p2 != c.pinRef:
		return 0x6A88
	case c.Tries == 0:
		return 0x6983
	case len(data) == 0 && c.Verified:
		return 0x9000
	case len(data) == 0:
	case bytes.Equal(data, padded):
		c.Verified, c.Tries = true, 3
		return 0x9000
	default:
		c.Verified = false
		c.Tries--
	}
	return 0x63C0 | uint16(c.Tries)
}

// sign reports by its status word whether the key may be used, and counts.
func (c *Card) sign() uint16 {
	if !c.Verified {
		return 0x6982
	}
	c.Signed++
	return 0x9000
}

// RSAKey returns a new key of 2048 bits.
func RSAKey(t testing.TB) *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	return key
}

// ECKey returns a new key of a curve.
func ECKey(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	require.NoError(t, err)
	return key
}

// newCard returns a card for a key, whose certificate, of nobody's CA, has that usage.
func newCard(t testing.TB, key crypto.Signer, usage x509.KeyUsage) *Card {
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: "SPECIMEN"}, KeyUsage: usage,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return &Card{Certificate: cert, key: key, PIN: Good, Tries: 3, forget: func() {}}
}
