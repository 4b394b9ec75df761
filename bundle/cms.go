package bundle

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"tlagate/internal/der"
)

// This file reads and checks the one form of CMS SignedData (RFC 5652) that docs/bundle.md, section 1, allows. It does
// not use a library for PKCS#7: those read BER, ignore trailing data, check neither contentType nor repeated
// attributes, and accept SHA-1.

// Bounds, in octets.
const (
	MaxSigned  = 512 << 10
	maxContent = 256 << 10
	maxCerts   = 5
)

var (
	oidContentType   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidMessageDigest = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	oidSigningTime   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 5}
)

// Signed is a CMS SignedData whose signature is good; package trust judges the signer. What else is signed in this
// form, such as a manifest (package integrity), has members that a bundle must not have, and lacks those that it must:
// neither can be taken for the other.
type Signed struct {
	Content []byte
	Chain   []*x509.Certificate // the signer's first
}

var errCMS = errors.New("it is no CMS SignedData of the form of docs/bundle.md")

// OpenSigned reads a SignedData and checks its signature.
func OpenSigned(der []byte) (*Signed, error) {
	if len(der) > MaxSigned {
		return nil, fmt.Errorf("it is longer than %d octets", MaxSigned)
	}
	p, err := parseSigned(der)
	if err != nil {
		return nil, err
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	return &Signed{p.content, p.chain}, nil
}

// parsed is a SignedData that was read, but whose signature has not been checked.
type parsed struct {
	content    []byte
	digest     crypto.Hash
	chain      []*x509.Certificate // the signer's first
	attributes []byte              // as they are signed: SET OF
	claimed    []byte              // messageDigest
	algorithm  *algorithm
	signature  []byte
}

func (p *parsed) check() error {
	if len(p.content) > maxContent {
		return fmt.Errorf("its content is longer than %d octets", maxContent)
	}
	if !bytes.Equal(sum(p.digest, p.content), p.claimed) {
		return errors.New("its content is not what was signed")
	}
	if err := p.algorithm.verify(p.chain[0].PublicKey, p.attributes, p.signature); err != nil {
		return err
	}
	return nil
}

func parseSigned(message []byte) (*parsed, error) {
	var digests, encap, certs, signers cryptobyte.String
	var version int64
	data, ok := der.ReadSignedData(message)
	if !ok || !data.ReadASN1Integer(&version) || version != 1 || !data.ReadASN1(&digests, cbasn1.SET) ||
		!data.ReadASN1(&encap, cbasn1.SEQUENCE) ||
		!data.ReadASN1(&certs, der.Context0) || !data.ReadASN1(&signers, cbasn1.SET) || !data.Empty() {
		return nil, errCMS
	}
	p := new(parsed)
	if !p.readDigests(digests) || !p.readContent(encap) {
		return nil, errCMS
	}
	pool, err := readCertificates(certs)
	if err != nil {
		return nil, err
	}
	return p, p.readSigner(signers, pool)
}

// readDigests reads one algorithm, and accepts no more.
func (p *parsed) readDigests(in cryptobyte.String) (ok bool) {
	p.digest, ok = readDigest(&in)
	return ok && in.Empty()
}

func readDigest(in *cryptobyte.String) (crypto.Hash, bool) {
	var id cryptobyte.String
	if !in.ReadASN1Element(&id, cbasn1.SEQUENCE) {
		return 0, false
	}
	for _, d := range digests {
		if bytes.Equal(id, d.bare) || bytes.Equal(id, d.null) {
			return d.hash, true
		}
	}
	return 0, false
}

// readContent accepts id-data, here and not elsewhere.
func (p *parsed) readContent(in cryptobyte.String) bool {
	var kind asn1.ObjectIdentifier
	var explicit, octets cryptobyte.String
	if !in.ReadASN1ObjectIdentifier(&kind) || !kind.Equal(der.Data) || !in.ReadASN1(&explicit, der.Context0) ||
		!in.Empty() ||
		!explicit.ReadASN1(&octets, cbasn1.OCTET_STRING) || !explicit.Empty() {
		return false
	}
	p.content = octets
	return true
}

func readCertificates(in cryptobyte.String) ([]*x509.Certificate, error) {
	var pool []*x509.Certificate
	for !in.Empty() {
		var one cryptobyte.String
		if !in.ReadASN1Element(&one, cbasn1.SEQUENCE) || len(pool) == maxCerts {
			return nil, errCMS
		}
		cert, err := x509.ParseCertificate(one)
		if err != nil {
			return nil, fmt.Errorf("a certificate in it cannot be read: %w", err)
		}
		pool = append(pool, cert)
	}
	return pool, nil
}

// readSigner accepts one signer, by issuer and serial number, with signed attributes and no others.
func (p *parsed) readSigner(in cryptobyte.String, pool []*x509.Certificate) error {
	var info, sid, issuer, serial, attributes, algorithm, signature cryptobyte.String
	var version int64
	if !in.ReadASN1(&info, cbasn1.SEQUENCE) || !in.Empty() || !info.ReadASN1Integer(&version) || version != 1 ||
		!info.ReadASN1(&sid, cbasn1.SEQUENCE) || !sid.ReadASN1Element(&issuer, cbasn1.SEQUENCE) ||
		!sid.ReadASN1Element(&serial, cbasn1.INTEGER) || !sid.Empty() {
		return errCMS
	}
	digest, ok := readDigest(&info)
	if !ok || digest != p.digest || !info.ReadASN1(&attributes, der.Context0) ||
		!info.ReadASN1Element(&algorithm, cbasn1.SEQUENCE) ||
		!info.ReadASN1(&signature, cbasn1.OCTET_STRING) || !info.Empty() {
		return errCMS
	}
	if !p.readAttributes(attributes) {
		return errCMS
	}
	if p.algorithm = algorithmOf(algorithm); p.algorithm == nil || p.algorithm.hash != p.digest {
		return errors.New("its signature is by an algorithm that is not allowed")
	}
	p.signature = signature
	return p.arrange(pool, issuer, serial)
}

// readAttributes accepts contentType and messageDigest once each, and at most a signingTime besides.
func (p *parsed) readAttributes(in cryptobyte.String) bool {
	var set cryptobyte.Builder
	set.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) { b.AddBytes(in) })
	p.attributes = set.BytesOrPanic()
	seen := map[string]bool{}
	for !in.Empty() {
		kind, values, ok := der.ReadAttribute(&in)
		if !ok || seen[kind.String()] || !p.readAttribute(kind, values) {
			return false
		}
		seen[kind.String()] = true
	}
	return seen[oidContentType.String()] && seen[oidMessageDigest.String()]
}

func (p *parsed) readAttribute(kind asn1.ObjectIdentifier, value cryptobyte.String) bool {
	var content asn1.ObjectIdentifier
	var digest, ignored cryptobyte.String
	switch {
	case kind.Equal(oidContentType):
		return value.ReadASN1ObjectIdentifier(&content) && content.Equal(der.Data) && value.Empty()
	case kind.Equal(oidMessageDigest):
		ok := value.ReadASN1(&digest, cbasn1.OCTET_STRING) && value.Empty()
		p.claimed = digest
		return ok
	case kind.Equal(oidSigningTime):
		return (value.ReadASN1(&ignored, cbasn1.UTCTime) || value.ReadASN1(&ignored, cbasn1.GeneralizedTime)) &&
			value.Empty()
	}
	return false
}

// arrange puts the signer's certificate first.
func (p *parsed) arrange(pool []*x509.Certificate, issuer, serial []byte) error {
	for i, c := range pool {
		number, err := asn1.Marshal(c.SerialNumber)
		if err == nil && bytes.Equal(c.RawIssuer, issuer) && bytes.Equal(number, serial) {
			p.chain = append(append(append(p.chain, c), pool[:i]...), pool[i+1:]...)
			return nil
		}
	}
	return errors.New("the signer's certificate is not in it")
}

func sum(h crypto.Hash, b []byte) []byte {
	d := h.New()
	d.Write(b)
	return d.Sum(nil)
}

// verify checks a signature over b.
func (a *algorithm) verify(key crypto.PublicKey, b, signature []byte) error {
	good := false
	digest := sum(a.hash, b)
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		good = !a.pss && ecdsa.VerifyASN1(key, digest, signature)
	case *rsa.PublicKey:
		good = a.pss && rsa.VerifyPSS(key, a.hash, digest, signature, pssOptions) == nil
	}
	if !good {
		return errors.New("its signature is not by the key of the certificate that it names")
	}
	return nil
}
