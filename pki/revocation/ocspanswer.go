package revocation

import (
	"bytes"
	"crypto"
	_ "crypto/sha1" // for certIDs of RFC 6960: a name for an issuer; no signature rests on it
	_ "crypto/sha256"
	_ "crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"tlagate/internal/der"
	"tlagate/internal/files"
	"tlagate/pki/internal/certutil"
	"tlagate/pki/internal/describe"
)

// What an answer may contain at most: it comes from a peer, or over plain HTTP.
const (
	maxAnswer      = 64 << 10 // bytes
	maxSingles     = 64
	maxAnswerCerts = 8
)

// ocspAnswer is an OCSP answer as read (RFC 6960 section 4.2.1), not yet believed. golang.org/x/crypto/ocsp reads
// answers too, but neither their nonces nor more than one certificate.
type ocspAnswer struct {
	der        []byte
	tbs        []byte // what is signed
	name       []byte // of the responder, DER; nil = known by key
	keyHash    []byte // SHA-1 of the responder's key; nil = known by name
	producedAt time.Time
	singles    []single
	nonce      []byte // nil = none
	algorithm  x509.SignatureAlgorithm
	signature  []byte
	certs      []*x509.Certificate
	problem    string // what makes it unusable no matter who signed it; "" = nothing
}

// single is what an answer says about one certificate.
type single struct {
	id         certID
	status     certStatus
	revokedAt  time.Time
	reason     int // CRLReason; 0 = unspecified
	thisUpdate time.Time
	nextUpdate time.Time // zero = absent
	problem    string
}

// certID identifies a certificate by hashes of its issuer's name and key, and its serial (RFC 6960 section 4.1.1).
type certID struct {
	hash     crypto.Hash // 0 = unknown here
	name     []byte
	key      []byte
	serial   []byte // big-endian, without leading zeros
	negative bool   // the serial is negative, which no certificate's may be
}

type certStatus int

const (
	statusGood certStatus = iota
	statusRevoked
	statusUnknown
)

var errAnswer = errors.New("it is no DER OCSPResponse (RFC 6960 section 4.2.1)")

// errResponder is the status of a responder that has no answer.
type errResponder int

// Error returns a text with the name of the OCSPResponseStatus.
func (e errResponder) Error() string {
	word, ok := map[errResponder]string{1: "malformedRequest", 2: "internalError", 3: "tryLater", 5: "sigRequired",
		6: "unauthorized"}[e]
	if !ok {
		word = fmt.Sprintf("status %d", int(e))
	}
	return "the responder answered " + word
}

const responderUnauthorized errResponder = 6

// parseAnswer reads an OCSPResponse; the error is an errResponder when the responder has no answer.
func parseAnswer(raw []byte) (*ocspAnswer, error) {
	if len(raw) > maxAnswer {
		return nil, fmt.Errorf("%w of %d bytes", files.ErrTooLarge, maxAnswer)
	}
	var wrapped, bytes, basic cryptobyte.String
	var status int
	var id asn1.ObjectIdentifier
	outer, ok := der.Sequence(raw)
	if !ok || !outer.ReadASN1Enum(&status) {
		return nil, errAnswer
	}
	if status != 0 {
		return nil, errResponder(status)
	}
	if !outer.ReadASN1(&wrapped, der.Context0) || !outer.Empty() || !wrapped.ReadASN1(&bytes, cbasn1.SEQUENCE) ||
		!wrapped.Empty() ||
		!bytes.ReadASN1ObjectIdentifier(&id) || !bytes.ReadASN1(&basic, cbasn1.OCTET_STRING) || !bytes.Empty() {
		return nil, errAnswer
	}
	if !id.Equal(der.OCSPBasic) {
		return nil, fmt.Errorf("it is an answer of type %v, want id-pkix-ocsp-basic", id)
	}
	a := &ocspAnswer{der: raw}
	return a, a.parseBasic(basic)
}

func (a *ocspAnswer) parseBasic(in cryptobyte.String) error {
	var tbs, algorithm cryptobyte.String
	basic, ok := der.Sequence(in)
	if !ok || !basic.ReadASN1Element(&tbs, cbasn1.SEQUENCE) ||
		!basic.ReadASN1(&algorithm, cbasn1.SEQUENCE) || !basic.ReadASN1BitStringAsBytes(&a.signature) {
		return errAnswer
	}
	a.tbs = tbs
	a.algorithm = signatureAlgorithm(algorithm)
	if err := a.parseCerts(basic); err != nil {
		return err
	}
	return a.parseData(tbs)
}

func (a *ocspAnswer) parseCerts(in cryptobyte.String) error {
	var wrapped, list, one cryptobyte.String
	var present bool
	if !in.ReadOptionalASN1(&wrapped, &present, der.Context0) || !in.Empty() {
		return errAnswer
	}
	if !present {
		return nil
	}
	if !wrapped.ReadASN1(&list, cbasn1.SEQUENCE) || !wrapped.Empty() {
		return errAnswer
	}
	for !list.Empty() {
		if !list.ReadASN1Element(&one, cbasn1.SEQUENCE) {
			return errAnswer
		}
		cert, err := x509.ParseCertificate(one)
		if err != nil {
			return fmt.Errorf("a certificate in it cannot be read: %s", describe.Cut(err.Error(), 100))
		}
		if a.certs = append(a.certs, cert); len(a.certs) > maxAnswerCerts {
			return fmt.Errorf("it brings more than %d certificates", maxAnswerCerts)
		}
	}
	return nil
}

// parseData reads ResponseData.
func (a *ocspAnswer) parseData(tbs cryptobyte.String) error {
	var data, version, list, wrapped cryptobyte.String
	var versioned, extended bool
	if !tbs.ReadASN1(&data, cbasn1.SEQUENCE) || !data.ReadOptionalASN1(&version, &versioned, der.Context0) ||
		!a.parseResponder(&data) || !data.ReadASN1GeneralizedTime(&a.producedAt) ||
		!data.ReadASN1(&list, cbasn1.SEQUENCE) ||
		!data.ReadOptionalASN1(&wrapped, &extended, der.Context1) || !data.Empty() {
		return errAnswer
	}
	var number int
	if versioned && (!version.ReadASN1Integer(&number) || !version.Empty() || number != 0) {
		return errors.New("it is of another version than 1")
	}
	for !list.Empty() {
		s, ok := parseSingle(&list)
		if !ok {
			return errAnswer
		}
		if a.singles = append(a.singles, s); len(a.singles) > maxSingles {
			return fmt.Errorf("it speaks of more than %d certificates", maxSingles)
		}
	}
	if !extended {
		return nil
	}
	return a.parseExtensions(wrapped)
}

func (a *ocspAnswer) parseResponder(data *cryptobyte.String) bool {
	var wrapped, value cryptobyte.String
	switch {
	case data.PeekASN1Tag(der.Context1):
		if !data.ReadASN1(&wrapped, der.Context1) || !wrapped.ReadASN1Element(&value, cbasn1.SEQUENCE) {
			return false
		}
		a.name = value
	case data.PeekASN1Tag(der.Context2):
		if !data.ReadASN1(&wrapped, der.Context2) || !wrapped.ReadASN1(&value, cbasn1.OCTET_STRING) ||
			len(value) == 0 {
			return false
		}
		a.keyHash = value
	default:
		return false
	}
	return wrapped.Empty()
}

func (a *ocspAnswer) parseExtensions(in cryptobyte.String) error {
	problem, ok := walkExtensions(in, func(id asn1.ObjectIdentifier, value cryptobyte.String) (known bool) {
		if !id.Equal(der.OCSPNonce) {
			return false
		}
		var nonce cryptobyte.String
		if a.nonce != nil || !value.ReadASN1(&nonce, cbasn1.OCTET_STRING) || !value.Empty() {
			a.problem = "its nonce is malformed, or there are two"
			return true
		}
		a.nonce = append([]byte{}, nonce...)
		return true
	})
	if !ok {
		return errAnswer
	}
	if a.problem == "" {
		a.problem = problem
	}
	return nil
}

// walkExtensions reads Extensions, and calls know with each; problem names a critical one that know does not know.
func walkExtensions(in cryptobyte.String, know func(asn1.ObjectIdentifier, cryptobyte.String) bool) (problem string,
	ok bool) {
	list, ok := der.Sequence(in)
	if !ok {
		return "", false
	}
	for !list.Empty() {
		ext, ok := der.ReadExtension(&list)
		id, named := ext.ObjectIdentifier()
		if !ok || !named {
			return "", false
		}
		if !know(id, ext.Value) && ext.Critical && problem == "" {
			problem = fmt.Sprintf("it has the critical extension %v, which is unknown here", id)
		}
	}
	return problem, true
}

func knowNone(asn1.ObjectIdentifier, cryptobyte.String) bool { return false }

func parseSingle(list *cryptobyte.String) (s single, ok bool) {
	var in, next, exts cryptobyte.String
	var hasNext, extended bool
	if !list.ReadASN1(&in, cbasn1.SEQUENCE) || !s.id.parse(&in) || !s.parseStatus(&in) ||
		!in.ReadASN1GeneralizedTime(&s.thisUpdate) || !in.ReadOptionalASN1(&next, &hasNext, der.Context0) ||
		hasNext && (!next.ReadASN1GeneralizedTime(&s.nextUpdate) || !next.Empty()) ||
		!in.ReadOptionalASN1(&exts, &extended, der.Context1) || !in.Empty() {
		return s, false
	}
	if extended {
		s.problem, ok = walkExtensions(exts, knowNone)
		return s, ok
	}
	return s, true
}

func (id *certID) parse(in *cryptobyte.String) bool {
	read, ok := der.ReadCertID(in)
	var oid asn1.ObjectIdentifier
	if !ok || !read.Hash.ReadASN1ObjectIdentifier(&oid) || !absentOrNull(read.Parameters) ||
		len(read.Serial) == 0 || len(read.Serial) > 21 {
		return false
	}
	id.hash, id.name, id.key = der.HashOf(oid), read.Name, read.Key
	id.serial, id.negative = certutil.TrimZeros(read.Serial), read.Serial[0]&0x80 != 0
	return true
}

func (s *single) parseStatus(in *cryptobyte.String) bool {
	var value, reason cryptobyte.String
	var tag cbasn1.Tag
	var given bool
	if !in.ReadAnyASN1(&value, &tag) {
		return false
	}
	switch tag {
	case cbasn1.Tag(0).ContextSpecific():
		s.status = statusGood
	case der.Context1:
		s.status = statusRevoked
		return value.ReadASN1GeneralizedTime(&s.revokedAt) &&
			value.ReadOptionalASN1(&reason, &given, der.Context0) && value.Empty() &&
			(!given || reason.ReadASN1Enum(&s.reason) && reason.Empty())
	case cbasn1.Tag(2).ContextSpecific():
		s.status = statusUnknown
	default:
		return false
	}
	return value.Empty()
}

// newCertID returns the certID of a certificate of an issuer.
func newCertID(hash crypto.Hash, issuer *x509.Certificate, serial []byte) certID {
	bits, _ := der.PublicKeyBits(issuer) // crypto/x509 has read it before
	return certID{hash: hash, name: digest(hash, issuer.RawSubject), key: digest(hash, bits), serial: serial}
}

// names reports whether an id is that of a certificate, whichever hash it uses.
func (id certID) names(issuer *x509.Certificate, serial []byte) bool {
	if id.hash == 0 || id.negative || !bytes.Equal(id.serial, serial) {
		return false
	}
	want := newCertID(id.hash, issuer, serial)
	return bytes.Equal(id.name, want.name) && bytes.Equal(id.key, want.key)
}

func digest(hash crypto.Hash, b []byte) []byte {
	h := hash.New()
	h.Write(b)
	return h.Sum(nil)
}
