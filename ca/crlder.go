package ca

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"tlagate/internal/der"
)

// This writes a CertificateList (RFC 5280 section 5.1), byte for byte as x509.CreateRevocationList would. That one goes
// by reflection: a million entries cost it 3 s and 800 MB, and they must all be held as structures first.

// crlEntries is the content of revokedCertificates in the making.
type crlEntries struct {
	der     []byte
	count   int
	reasons map[int][]byte // crlEntryExtensions of each reason
}

func newCRLEntries(hint int) *crlEntries {
	return &crlEntries{der: make([]byte, 0, hint+hint/16), reasons: map[int][]byte{}}
}

// add adds one entry; of a serial number that no certificate may have, an error.
func (e *crlEntries) add(serial *big.Int, at time.Time, reason int) error {
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
		return fmt.Errorf("cannot put serial number %s on a list: %w", hexSerial(serial), err)
	}
	e.count++
	return nil
}

// extensions gives those of an entry: a reasonCode, unless the reason is unspecified (section 5.3.1).
func (e *crlEntries) extensions(reason int) ([]byte, error) {
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

// sign makes the DER of a list with these entries.
func (l *List) sign(issuer *x509.Certificate, key crypto.Signer, entries []byte) error {
	algorithm, hash, err := signingFor(key.Public())
	if err != nil {
		return err
	}
	tbs, err := l.tbs(issuer, algorithm, entries)
	if err != nil {
		return err
	}
	digest := hash.New()
	digest.Write(tbs)
	signature, err := key.Sign(rand.Reader, digest.Sum(nil), hash)
	if err != nil {
		return err
	}
	b := cryptobyte.NewBuilder(make([]byte, 0, len(tbs)+len(signature)+64))
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(tbs)
		b.AddBytes(algorithm)
		b.AddASN1BitString(signature)
	})
	l.DER, err = b.Bytes()
	return err
}

// tbs gives the TBSCertList.
func (l *List) tbs(issuer *x509.Certificate, algorithm, entries []byte) ([]byte, error) {
	b := cryptobyte.NewBuilder(make([]byte, 0, len(entries)+len(issuer.RawSubject)+256))
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1) // v2
		b.AddBytes(algorithm)
		b.AddBytes(issuer.RawSubject)
		addTime(b, l.ThisUpdate)
		addTime(b, l.NextUpdate)
		if len(entries) > 0 {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddBytes(entries) })
		}
		b.AddASN1(der.Context0, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { l.addExtensions(b, issuer) })
		})
	})
	return b.Bytes()
}

func (l *List) addExtensions(b *cryptobyte.Builder, issuer *x509.Certificate) {
	der.AddExtension(b, der.AuthorityKeyIdentifier, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.Tag(0).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(issuer.SubjectKeyId) })
		})
	})
	der.AddExtension(b, der.CRLNumber, func(b *cryptobyte.Builder) { b.AddASN1Int64(l.Number) })
}

// signingFor gives the AlgorithmIdentifier (RFC 5758, RFC 4055) and the hash that go with a key of a CA.
func signingFor(pub crypto.PublicKey) (algorithm []byte, hash crypto.Hash, err error) {
	if err := checkKey(pub); err != nil {
		return nil, 0, err
	}
	algorithm, hash, ok := der.SignatureFor(pub)
	if !ok {
		return nil, 0, fmt.Errorf("cannot sign with a key of kind %T", pub)
	}
	return algorithm, hash, nil
}
