package revocation

import (
	"bytes"
	"crypto"
	_ "crypto/sha1" // certIDs of RFC 6960: a name for an issuer, no signature rests on it
	_ "crypto/sha256"
	_ "crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"tlagate/pki/internal/certutil"
	"tlagate/pki/internal/describe"
)

// What an answer may hold at most: it comes from a peer, or over plain HTTP.
const (
	maxAnswer      = 64 << 10 // bytes
	maxSingles     = 64
	maxAnswerCerts = 8
)

// ocspAnswer is an OCSP answer as read (RFC 6960 section 4.2.1), not yet believed. golang.org/x/crypto/ocsp reads one
// too, but neither nonces nor several answers in one.
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
	problem    string // what makes it unusable whoever signed it; "" = nothing
}

// single is what an answer says of one certificate.
type single struct {
	id         certID
	status     certStatus
	revokedAt  time.Time
	reason     int // CRLReason; 0 = unspecified
	thisUpdate time.Time
	nextUpdate time.Time // zero = absent
	problem    string
}

// certID names a certificate by hashes of its issuer's name and key, and its serial (RFC 6960 section 4.1.1).
type certID struct {
	hash     crypto.Hash // 0 = unknown here
	name     []byte
	key      []byte
	serial   []byte // big-endian, without leading zeros
	negative bool   // a serial no certificate may have
}

type certStatus int

const (
	statusGood certStatus = iota
	statusRevoked
	statusUnknown
)

// certIDHashes are the hashes of certIDs, in a fixed order: the same answer takes the same way each time.
var certIDHashes = []crypto.Hash{crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512}

var hashOIDs = map[crypto.Hash]asn1.ObjectIdentifier{
	crypto.SHA1:   {1, 3, 14, 3, 2, 26},
	crypto.SHA256: {2, 16, 840, 1, 101, 3, 4, 2, 1},
	crypto.SHA384: {2, 16, 840, 1, 101, 3, 4, 2, 2},
	crypto.SHA512: {2, 16, 840, 1, 101, 3, 4, 2, 3},
}

var (
	oidOCSPBasic = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 1}
	oidOCSPNonce = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 2}
)

var errAnswer = errors.New("it is no DER OCSPResponse (RFC 6960 section 4.2.1)")

// errResponder is an answer by which a responder says that it has none.
type errResponder int

// Error names the OCSPResponseStatus.
func (e errResponder) Error() string {
	word, ok := map[errResponder]string{1: "malformedRequest", 2: "internalError", 3: "tryLater", 5: "sigRequired", 6: "unauthorized"}[e]
	if !ok {
		word = fmt.Sprintf("status %d", int(e))
	}
	return "the responder answered " + word
}

const responderUnauthorized errResponder = 6

// parseAnswer reads an OCSPResponse; the error is an errResponder when it is an unsuccessful one.
func parseAnswer(der []byte) (*ocspAnswer, error) {
	if len(der) > maxAnswer {
		return nil, fmt.Errorf("%w of %d bytes", errTooLarge, maxAnswer)
	}
	in := cryptobyte.String(der)
	var outer, wrapped, bytes, basic cryptobyte.String
	var status int
	var id asn1.ObjectIdentifier
	if !in.ReadASN1(&outer, cbasn1.SEQUENCE) || !in.Empty() || !outer.ReadASN1Enum(&status) {
		return nil, errAnswer
	}
	if status != 0 {
		return nil, errResponder(status)
	}
	if !outer.ReadASN1(&wrapped, certutil.Context0) || !outer.Empty() || !wrapped.ReadASN1(&bytes, cbasn1.SEQUENCE) ||
		!wrapped.Empty() ||
		!bytes.ReadASN1ObjectIdentifier(&id) || !bytes.ReadASN1(&basic, cbasn1.OCTET_STRING) || !bytes.Empty() {
		return nil, errAnswer
	}
	if !id.Equal(oidOCSPBasic) {
		return nil, fmt.Errorf("it is an answer of type %v, want id-pkix-ocsp-basic", id)
	}
	a := &ocspAnswer{der: der}
	return a, a.parseBasic(basic)
}

func (a *ocspAnswer) parseBasic(in cryptobyte.String) error {
	var basic, tbs, algorithm cryptobyte.String
	if !in.ReadASN1(&basic, cbasn1.SEQUENCE) || !in.Empty() || !basic.ReadASN1Element(&tbs, cbasn1.SEQUENCE) ||
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
	var wrapped, list, der cryptobyte.String
	var present bool
	if !in.ReadOptionalASN1(&wrapped, &present, certutil.Context0) || !in.Empty() {
		return errAnswer
	}
	if !present {
		return nil
	}
	if !wrapped.ReadASN1(&list, cbasn1.SEQUENCE) || !wrapped.Empty() {
		return errAnswer
	}
	for !list.Empty() {
		if !list.ReadASN1Element(&der, cbasn1.SEQUENCE) {
			return errAnswer
		}
		cert, err := x509.ParseCertificate(der)
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
	if !tbs.ReadASN1(&data, cbasn1.SEQUENCE) || !data.ReadOptionalASN1(&version, &versioned, certutil.Context0) ||
		!a.parseResponder(&data) || !data.ReadASN1GeneralizedTime(&a.producedAt) || !data.ReadASN1(&list, cbasn1.SEQUENCE) ||
		!data.ReadOptionalASN1(&wrapped, &extended, certutil.Context1) || !data.Empty() {
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
	case data.PeekASN1Tag(certutil.Context1):
		if !data.ReadASN1(&wrapped, certutil.Context1) || !wrapped.ReadASN1Element(&value, cbasn1.SEQUENCE) {
			return false
		}
		a.name = value
	case data.PeekASN1Tag(certutil.Context2):
		if !data.ReadASN1(&wrapped, certutil.Context2) || !wrapped.ReadASN1(&value, cbasn1.OCTET_STRING) ||
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
		if !id.Equal(oidOCSPNonce) {
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

// walkExtensions reads Extensions; problem names a critical one that know does not.
func walkExtensions(in cryptobyte.String, know func(asn1.ObjectIdentifier, cryptobyte.String) bool) (problem string, ok bool) {
	var list cryptobyte.String
	if !in.ReadASN1(&list, cbasn1.SEQUENCE) || !in.Empty() {
		return "", false
	}
	for !list.Empty() {
		var ext, value cryptobyte.String
		var id asn1.ObjectIdentifier
		var critical bool
		if !list.ReadASN1(&ext, cbasn1.SEQUENCE) || !ext.ReadASN1ObjectIdentifier(&id) ||
			ext.PeekASN1Tag(cbasn1.BOOLEAN) && !ext.ReadASN1Boolean(&critical) ||
			!ext.ReadASN1(&value, cbasn1.OCTET_STRING) || !ext.Empty() {
			return "", false
		}
		if !know(id, value) && critical && problem == "" {
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
		!in.ReadASN1GeneralizedTime(&s.thisUpdate) || !in.ReadOptionalASN1(&next, &hasNext, certutil.Context0) ||
		hasNext && (!next.ReadASN1GeneralizedTime(&s.nextUpdate) || !next.Empty()) ||
		!in.ReadOptionalASN1(&exts, &extended, certutil.Context1) || !in.Empty() {
		return s, false
	}
	if extended {
		s.problem, ok = walkExtensions(exts, knowNone)
		return s, ok
	}
	return s, true
}

func (id *certID) parse(in *cryptobyte.String) bool {
	var seq, algorithm, name, key, serial cryptobyte.String
	var oid asn1.ObjectIdentifier
	if !in.ReadASN1(&seq, cbasn1.SEQUENCE) || !seq.ReadASN1(&algorithm, cbasn1.SEQUENCE) || !algorithm.ReadASN1ObjectIdentifier(&oid) ||
		!absentOrNull(algorithm) || !seq.ReadASN1(&name, cbasn1.OCTET_STRING) || !seq.ReadASN1(&key, cbasn1.OCTET_STRING) ||
		!seq.ReadASN1(&serial, cbasn1.INTEGER) || !seq.Empty() || len(serial) == 0 || len(serial) > 21 {
		return false
	}
	for _, hash := range certIDHashes {
		if hashOIDs[hash].Equal(oid) {
			id.hash = hash
		}
	}
	id.name, id.key, id.serial, id.negative = name, key, certutil.TrimZeros(serial), serial[0]&0x80 != 0
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
	case certutil.Context1:
		s.status = statusRevoked
		return value.ReadASN1GeneralizedTime(&s.revokedAt) &&
			value.ReadOptionalASN1(&reason, &given, certutil.Context0) && value.Empty() &&
			(!given || reason.ReadASN1Enum(&s.reason) && reason.Empty())
	case cbasn1.Tag(2).ContextSpecific():
		s.status = statusUnknown
	default:
		return false
	}
	return value.Empty()
}

// newCertID names a certificate of an issuer.
func newCertID(hash crypto.Hash, issuer *x509.Certificate, serial []byte) certID {
	return certID{hash: hash, name: digest(hash, issuer.RawSubject), key: digest(hash, publicKeyBits(issuer)), serial: serial}
}

// names says whether an id is the one of a certificate, by whatever hash it is written.
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

// publicKeyBits gives the content of the subjectPublicKey BIT STRING: what a certID hashes.
func publicKeyBits(cert *x509.Certificate) []byte {
	in := cryptobyte.String(cert.RawSubjectPublicKeyInfo)
	var info cryptobyte.String
	var bits []byte
	if !in.ReadASN1(&info, cbasn1.SEQUENCE) || !info.SkipASN1(cbasn1.SEQUENCE) || !info.ReadASN1BitStringAsBytes(&bits) {
		return nil // crypto/x509 has read it before
	}
	return bits
}
