package signtest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"math/big"
	"slices"
	"testing"
)

// IASAID is the application of the cards with a PKCS#15 file system.
var IASAID = []byte{0xE8, 0x28, 0xBD, 0x08, 0x0F, 0x80, 0x25, 0x00, 0x00, 0x01, 0xFF, 0x00, 0x10}

// files are the names of a card's files.
const (
	odf      = "\x50\x31"
	keysFile = "\x3F\x00\x00\x01\x70\x01"
	listFile = "\x3F\x00\x00\x01\x70\x02"
	certFile = "\x3F\x00\x00\x01\xA0\x02"
)

// IAS returns a card with PKCS#15 directories whose key 82 signs after the security environment, and nothing else.
// usage are PKCS#15's KeyUsageFlags of the key: 20 is sign, 02 with 1 unused… as in the standard's BIT STRING.
func IAS(t testing.TB, key crypto.Signer, environment []byte) *Card {
	return IASFor(t, key, environment, asn1.BitString{Bytes: []byte{0x60}, BitLength: 3})
}

// IASFor is like IAS, with other KeyUsageFlags of the key in its directory.
func IASFor(t testing.TB, key crypto.Signer, environment []byte, usage asn1.BitString) *Card {
	c := newCard(t, key, x509.KeyUsageDigitalSignature)
	c.pinRef, c.app = 0x01, IASAID
	files, file, set := directories(c, usage), []byte(nil), false
	c.forget = func() { file, set = nil, false }
	c.execute = func(ins, p1, p2 byte, data []byte) (answer []byte, sw uint16) {
		switch {
		case ins == 0xA4 && p2 == 0x0C && (p1 == 0x02 && len(data) == 2 || p1 == 0x09 && len(data) > 2):
			if file = files[string(data)]; file == nil {
				return nil, 0x6A82
			}
			return nil, 0x9000
		case ins == 0xB0:
			at := int(p1)<<8 | int(p2)
			if at >= len(file) {
				return nil, 0x6B00
			}
			return file[at:], 0x9000
		case ins == 0x22:
			set = bytes.Equal(slices.Concat([]byte{p1, p2}, data), environment)
			return nil, map[bool]uint16{true: 0x9000, false: 0x6A80}[set]
		case !set:
			return nil, 0x6985
		case ins == 0x88 && p1 == 0 && p2 == 0, ins == 0x2A && p1 == 0x9E && p2 == 0x9A:
			return c.signInput(ins, data)
		}
		return nil, 0x6D00
	}
	return c
}

// signInput signs: INTERNAL AUTHENTICATE pads what it gets, PSO makes RSA-PSS, or two numbers, of a digest.
func (c *Card) signInput(ins byte, data []byte) ([]byte, uint16) {
	if sw := c.sign(); sw != 0x9000 {
		return nil, sw
	}
	var signature []byte
	var err error
	switch k := c.key.(type) {
	case *rsa.PrivateKey:
		if ins == 0x88 {
			signature, err = rsa.SignPKCS1v15(rand.Reader, k, 0, data)
		} else {
			signature, err = rsa.SignPSS(rand.Reader, k, crypto.SHA256, data, &rsa.PSSOptions{SaltLength: 32})
		}
	case *ecdsa.PrivateKey:
		var r, s *big.Int
		if r, s, err = ecdsa.Sign(rand.Reader, k, data); err == nil {
			size := (k.Params().BitSize + 7) / 8
			signature = slices.Concat(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size)))
		}
	}
	if err != nil {
		return nil, 0x6A80
	}
	return signature, 0x9000
}

// directories returns the files of a card: after another key and its certificate, those of the key 82. Zeros fill each
// file.
func directories(c *Card, usage asn1.BitString) map[string][]byte {
	seq := func(parts ...[]byte) []byte { return wrap(0x30, slices.Concat(parts...)) }
	path := func(file string) []byte { return seq(wrap(0x04, []byte(file))) }
	bits := func(b asn1.BitString) []byte { out, _ := asn1.Marshal(b); return out }
	label := seq(wrap(0x0C, []byte("SPECIMEN")))
	key := func(id, ref byte, usage asn1.BitString) []byte {
		number := []byte{ref}
		if ref >= 0x80 {
			number = []byte{0, ref}
		}
		return seq(label, seq(wrap(0x04, []byte{id}), bits(usage), wrap(0x03, []byte{4, 0xB0}), wrap(0x02, number)),
			wrap(0xA1, seq(path("\x00\x00"), wrap(0x02, []byte{8, 0}))))
	}
	cert := func(id byte, file string) []byte {
		return seq(label, seq(wrap(0x04, []byte{id})), wrap(0xA1, seq(path(file))))
	}
	signing := asn1.BitString{Bytes: []byte{0x00, 0x40}, BitLength: 10}
	filler := make([]byte, 40)
	return map[string][]byte{
		odf:      slices.Concat(wrap(0xA0, path(keysFile)), wrap(0xA4, path(listFile)), filler),
		keysFile: slices.Concat(key(1, 0x81, signing), key(2, 0x82, usage), filler),
		listFile: slices.Concat(cert(1, "\x3F\x00\x00\x01\xA0\x01"), cert(2, certFile), filler),
		certFile: slices.Concat(c.Certificate.Raw, filler),
	}
}
