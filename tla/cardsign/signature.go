package cardsign

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// digestInfo returns the DigestInfo (RFC 8017, 9.2) of a SHA-256, which a card pads by itself.
func digestInfo(digest [sha256.Size]byte) []byte {
	prefix := []byte{0x30, 0x31, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
		0x00, 0x04, 0x20}
	return append(prefix, digest[:]...)
}

const saltLen = sha256.Size

// encodePSS returns the encoded message (RFC 8017, 9.1.1) of a digest with a new salt, for an RSA key of so many bits.
func encodePSS(digest [sha256.Size]byte, bits int) ([]byte, error) {
	salt := make([]byte, saltLen)
	if _, err := rand.Read(salt); err != nil {
		return nil, err
	}
	encoded := make([]byte, (bits-1+7)/8)
	db := encoded[:len(encoded)-sha256.Size-1]
	db[len(db)-saltLen-1] = 1
	copy(db[len(db)-saltLen:], salt)
	h := sha256.New()
	h.Write(make([]byte, 8))
	h.Write(digest[:])
	h.Write(salt)
	sum := h.Sum(nil)
	mask(db, sum)
	encoded[0] &= 0xFF >> (8*len(encoded) - (bits - 1))
	copy(encoded[len(db):], sum)
	encoded[len(encoded)-1] = 0xBC
	return append(make([]byte, (bits+7)/8-len(encoded)), encoded...), nil
}

// mask combines b with MGF1 of seed (RFC 8017, B.2.1).
func mask(b, seed []byte) {
	for i, at := uint32(0), 0; at < len(b); i++ {
		for _, o := range sha256.Sum256(binary.BigEndian.AppendUint32(append([]byte(nil), seed...), i)) {
			if at < len(b) {
				b[at] ^= o
			}
			at++
		}
	}
}

// asASN1 returns a signature as proofs have it: cards that follow ISO 7816-8 return those of elliptic curves as two
// numbers side by side.
func asASN1(public any, signature []byte) []byte {
	p, ok := public.(*ecdsa.PublicKey)
	if !ok || len(signature) != 2*((p.Curve.Params().BitSize+7)/8) {
		return signature
	}
	half := len(signature) / 2
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1BigInt(new(big.Int).SetBytes(signature[:half]))
		b.AddASN1BigInt(new(big.Int).SetBytes(signature[half:]))
	})
	return b.BytesOrPanic()
}
