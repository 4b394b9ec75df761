// Package crlwriter writes certificate revocation lists (RFC 5280 section 5.1), byte for byte as
// x509.CreateRevocationList would. That one goes by reflection: a million entries cost it 3 s and 800 MB, and they must
// all be held as structures first.
package crlwriter

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"tlagate/internal/der"
)

// Header is what a list says besides its entries.
type Header struct {
	Number     int64
	ThisUpdate time.Time
	NextUpdate time.Time
}

// Entries is the content of revokedCertificates in the making.
type Entries struct {
	der     []byte
	count   int
	reasons map[int][]byte // crlEntryExtensions of each reason
}

// NewEntries returns an empty one; hint is about how many octets are expected.
func NewEntries(hint int) *Entries {
	return &Entries{der: make([]byte, 0, hint+hint/16), reasons: map[int][]byte{}}
}

// Add adds one entry. A serial number that no certificate may have is an error.
func (e *Entries) Add(serial *big.Int, at time.Time, reason int) error {
	exts, err := e.extensions(reason)
	if err != nil {
		return err
	}
	b := cryptobyte.NewBuilder(e.der)
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1BigInt(serial)
		addTime(b, at)
		b.AddBytes(exts)
	})
	if e.der, err = b.Bytes(); err != nil {
		return fmt.Errorf("cannot put serial number %x on a list: %w", serial, err)
	}
	e.count++
	return nil
}

// Len returns how many there are.
func (e *Entries) Len() int { return e.count }

// extensions returns those of an entry: a reasonCode, unless the reason is unspecified (section 5.3.1).
func (e *Entries) extensions(reason int) ([]byte, error) {
	exts, known := e.reasons[reason]
	if known || reason == 0 {
		return exts, nil
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		der.AddExtension(b, der.CRLReason, func(b *cryptobyte.Builder) { b.AddASN1Enum(int64(reason)) })
	})
	exts, err := b.Bytes()
	e.reasons[reason] = exts
	return exts, err
}

// addTime writes a Time: UTCTime until 2049 (section 5.1.2.4).
func addTime(b *cryptobyte.Builder, t time.Time) {
	if t = t.UTC(); t.Year() >= 1950 && t.Year() < 2050 {
		b.AddASN1UTCTime(t)
		return
	}
	b.AddASN1GeneralizedTime(t)
}

// Sign makes a list with these entries, DER.
func (h Header) Sign(issuer *x509.Certificate, key crypto.Signer, entries *Entries) ([]byte, error) {
	algorithm, hash, err := SigningFor(key.Public())
	if err != nil {
		return nil, err
	}
	tbs, err := h.tbs(issuer, algorithm, entries.der)
	if err != nil {
		return nil, err
	}
	digest := hash.New()
	digest.Write(tbs)
	signature, err := key.Sign(rand.Reader, digest.Sum(nil), hash)
	if err != nil {
		return nil, err
	}
	b := cryptobyte.NewBuilder(make([]byte, 0, len(tbs)+len(signature)+64))
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(tbs)
		b.AddBytes(algorithm)
		b.AddASN1BitString(signature)
	})
	return b.Bytes()
}

// tbs returns the TBSCertList.
func (h Header) tbs(issuer *x509.Certificate, algorithm, entries []byte) ([]byte, error) {
	b := cryptobyte.NewBuilder(make([]byte, 0, len(entries)+len(issuer.RawSubject)+256))
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1) // v2
		b.AddBytes(algorithm)
		b.AddBytes(issuer.RawSubject)
		addTime(b, h.ThisUpdate)
		addTime(b, h.NextUpdate)
		if len(entries) > 0 {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddBytes(entries) })
		}
		b.AddASN1(der.Context0, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { h.addExtensions(b, issuer) })
		})
	})
	return b.Bytes()
}

func (h Header) addExtensions(b *cryptobyte.Builder, issuer *x509.Certificate) {
	der.AddExtension(b, der.AuthorityKeyIdentifier, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.Tag(0).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(issuer.SubjectKeyId) })
		})
	})
	der.AddExtension(b, der.CRLNumber, func(b *cryptobyte.Builder) { b.AddASN1Int64(h.Number) })
}

// SigningFor returns the AlgorithmIdentifier (RFC 5758, RFC 4055) and the hash that go with a key of a CA.
func SigningFor(pub crypto.PublicKey) (algorithm []byte, hash crypto.Hash, err error) {
	algorithm, hash, ok := der.SignatureFor(pub)
	if key, is := pub.(*ecdsa.PublicKey); !ok || is && key.Curve != elliptic.P256() && key.Curve != elliptic.P384() {
		return nil, 0, fmt.Errorf("cannot sign a list with a key of type %T: want ECDSA P-256 or P-384, or RSA", pub)
	}
	return algorithm, hash, nil
}
