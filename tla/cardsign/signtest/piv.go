package signtest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"math/big"
	"testing"
)

// PIVAID is the PIV application.
var PIVAID = []byte{0xA0, 0x00, 0x00, 0x03, 0x08, 0x00, 0x00, 0x10, 0x00, 0x01, 0x00}

// PIV returns a PIV card with a key 9A.
func PIV(t testing.TB, key crypto.Signer) *Card { return PIVFor(t, key, x509.KeyUsageDigitalSignature) }

// PIVFor is like PIV, with another key usage in the certificate.
func PIVFor(t testing.TB, key crypto.Signer, usage x509.KeyUsage) *Card {
	c := newCard(t, key, usage)
	c.pinRef, c.app = 0x80, PIVAID
	c.execute = func(ins, p1, p2 byte, data []byte) ([]byte, uint16) {
		switch {
		case ins == 0xCB && p1 == 0x3F && p2 == 0xFF && string(data) == "\x5C\x03\x5F\xC1\x05":
			return wrap(0x53, append(wrap(0x70, c.Certificate.Raw), 0x71, 1, 0, 0xFE, 0)), 0x9000
		case ins == 0x87 && p2 == 0x9A:
			return c.authenticate(p1, data)
		}
		return nil, 0x6A86
	}
	return c
}

// authenticate is GENERAL AUTHENTICATE: it signs the challenge, without padding it.
func (c *Card) authenticate(algorithm byte, data []byte) ([]byte, uint16) {
	if sw := c.sign(); sw != 0x9000 {
		return nil, sw
	}
	var signature []byte
	switch k := c.key.(type) {
	case *rsa.PrivateKey:
		input, ok := bytes.CutPrefix(data, []byte{0x7C, 0x82, 0x01, 0x06, 0x82, 0x00, 0x81, 0x82, 0x01, 0x00})
		if !ok || algorithm != 0x07 || len(input) != k.Size() {
			return nil, 0x6A80
		}
		m := new(big.Int).SetBytes(input)
		if m.Cmp(k.N) >= 0 {
			return nil, 0x6A80
		}
		signature = m.Exp(m, k.D, k.N).FillBytes(make([]byte, k.Size()))
	case *ecdsa.PrivateKey:
		size := (k.Params().BitSize + 7) / 8
		input, ok := bytes.CutPrefix(data, []byte{0x7C, byte(4 + size), 0x82, 0x00, 0x81, byte(size)})
		if !ok || algorithm != map[elliptic.Curve]byte{elliptic.P256(): 0x11, elliptic.P384(): 0x14}[k.Curve] ||
			len(input) != size {
			return nil, 0x6A80
		}
		signature, _ = ecdsa.SignASN1(rand.Reader, k, input)
	}
	return wrap(0x7C, wrap(0x82, signature)), 0x9000
}

// wrap returns a value with tag and length.
func wrap(tag byte, value []byte) []byte {
	n := len(value)
	switch {
	case n < 0x80:
		return append([]byte{tag, byte(n)}, value...)
	case n < 0x100:
		return append([]byte{tag, 0x81, byte(n)}, value...)
	}
	return append([]byte{tag, 0x82, byte(n >> 8), byte(n)}, value...)
}
