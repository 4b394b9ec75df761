package ocsp

import (
	"bytes"
	"errors"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Bounds of a nonce, in octets (RFC 9654, 2.1).
const (
	minNonce = 16 // shorter ones are not echoed
	maxNonce = 128
)

// maxSerial is the longest serial number there can be, in octets, its sign included (RFC 5280, 4.1.2.2).
const maxSerial = 21

// request is an OCSPRequest (RFC 6960, 4.1.1) as read. Its slices are parts of what was parsed.
type request struct {
	ids   []certID
	nonce []byte // content of the Nonce; nil = none, or one that is too short to be worth an answer of its own
}

// certID names a certificate.
type certID struct {
	raw     []byte // the whole element, as it is echoed
	hash    []byte // content of the hash algorithm's OID
	name    []byte // hash of the issuer's name
	key     []byte // hash of the issuer's key
	serial  []byte // content of the INTEGER
	unusual bool   // the hash algorithm has parameters other than NULL
}

// errMalformed: what was parsed is no OCSPRequest that can be answered.
var errMalformed = errors.New("cannot read the OCSP request: it is malformed")

// DER contents of OIDs.
var (
	oidNonce     = []byte{0x2b, 6, 1, 5, 5, 7, 48, 1, 2}
	oidBasic     = []byte{0x2b, 6, 1, 5, 5, 7, 48, 1, 1}
	oidResponses = []byte{0x2b, 6, 1, 5, 5, 7, 48, 1, 4} // which kinds of answers the client understands: basic, always
)

const (
	explicit0 = asn1.Tag(0 | 0xa0)
	explicit1 = asn1.Tag(1 | 0xa0)
	explicit2 = asn1.Tag(2 | 0xa0)
)

// parseRequest reads a request of 1 to most certificates. A signature is skipped: everybody is answered.
func parseRequest(der []byte, most int) (*request, error) {
	in := cryptobyte.String(der)
	var outer, tbs, list cryptobyte.String
	if !in.ReadASN1(&outer, asn1.SEQUENCE) || !in.Empty() || !outer.ReadASN1(&tbs, asn1.SEQUENCE) ||
		!skipSignature(&outer) {
		return nil, errMalformed
	}
	if !skipVersion(&tbs) || !tbs.SkipOptionalASN1(explicit1) || !tbs.ReadASN1(&list, asn1.SEQUENCE) {
		return nil, errMalformed
	}
	r := &request{ids: make([]certID, 0, 1)}
	if !r.readList(list, most) || !r.readExtensions(tbs) {
		return nil, errMalformed
	}
	return r, nil
}

// skipSignature reads [0] EXPLICIT SEQUENCE OPTIONAL to the end.
func skipSignature(in *cryptobyte.String) bool {
	var wrapped cryptobyte.String
	var present bool
	if !in.ReadOptionalASN1(&wrapped, &present, explicit0) || !in.Empty() {
		return false
	}
	return !present || wrapped.SkipASN1(asn1.SEQUENCE) && wrapped.Empty()
}

// skipVersion accepts v1, also where DER would leave it out.
func skipVersion(in *cryptobyte.String) bool {
	var wrapped cryptobyte.String
	var present bool
	if !in.ReadOptionalASN1(&wrapped, &present, explicit0) {
		return false
	}
	var version int
	return !present || wrapped.ReadASN1Integer(&version) && version == 0 && wrapped.Empty()
}

func (r *request) readList(list cryptobyte.String, most int) bool {
	for !list.Empty() {
		var id certID
		if len(r.ids) == most || !readSingle(&list, &id) {
			return false
		}
		r.ids = append(r.ids, id)
	}
	return len(r.ids) > 0
}

// readSingle reads a Request: a certID, and extensions, none of which is known here.
func readSingle(in *cryptobyte.String, id *certID) bool {
	var single cryptobyte.String
	if !in.ReadASN1(&single, asn1.SEQUENCE) || !readCertID(&single, id) {
		return false
	}
	return readExtensions(single, explicit0, func(_, _ []byte, critical bool) bool { return !critical })
}

func readCertID(in *cryptobyte.String, id *certID) bool {
	var element, fields, algorithm cryptobyte.String
	if !in.ReadASN1Element(&element, asn1.SEQUENCE) {
		return false
	}
	id.raw = element
	return element.ReadASN1(&fields, asn1.SEQUENCE) && fields.ReadASN1(&algorithm, asn1.SEQUENCE) &&
		readAlgorithm(algorithm, id) &&
		fields.ReadASN1((*cryptobyte.String)(&id.name), asn1.OCTET_STRING) &&
		fields.ReadASN1((*cryptobyte.String)(&id.key), asn1.OCTET_STRING) &&
		fields.ReadASN1((*cryptobyte.String)(&id.serial), asn1.INTEGER) &&
		fields.Empty() && isInteger(id.serial)
}

// readAlgorithm accepts parameters that are absent or NULL: clients write either.
func readAlgorithm(in cryptobyte.String, id *certID) bool {
	if !in.ReadASN1((*cryptobyte.String)(&id.hash), asn1.OBJECT_IDENTIFIER) || len(id.hash) == 0 {
		return false
	}
	if in.Empty() {
		return true
	}
	var parameters cryptobyte.String
	var tag asn1.Tag
	if !in.ReadAnyASN1(&parameters, &tag) || !in.Empty() {
		return false
	}
	id.unusual = tag != asn1.NULL || len(parameters) > 0
	return true
}

// isInteger: 1 to 21 octets, no more of them than needed (X.690, 8.3.2).
func isInteger(content []byte) bool {
	if len(content) < 2 {
		return len(content) == 1
	}
	redundant := content[0] == 0 && content[1] < 0x80 || content[0] == 0xff && content[1] >= 0x80
	return len(content) <= maxSerial && !redundant
}

func (r *request) readExtensions(in cryptobyte.String) bool {
	nonces := 0
	return readExtensions(in, explicit2, func(id, value []byte, critical bool) bool {
		switch {
		case bytes.Equal(id, oidNonce):
			nonces++
			return nonces == 1 && r.readNonce(value)
		case bytes.Equal(id, oidResponses):
			return true
		}
		return !critical
	})
}

// readNonce reads an OCTET STRING of 1 to 128 octets. One that is too short to prove anything is ignored: the answer
// is then the same as without (RFC 9654, 2.1).
func (r *request) readNonce(value cryptobyte.String) bool {
	var nonce cryptobyte.String
	if !value.ReadASN1(&nonce, asn1.OCTET_STRING) || !value.Empty() || len(nonce) == 0 || len(nonce) > maxNonce {
		return false
	}
	if len(nonce) >= minNonce {
		r.nonce = nonce
	}
	return true
}

// readExtensions reads [tag] EXPLICIT Extensions OPTIONAL to the end; each must be accepted.
func readExtensions(in cryptobyte.String, tag asn1.Tag, accept func(id, value []byte, critical bool) bool) bool {
	var wrapped, list cryptobyte.String
	var present bool
	if !in.ReadOptionalASN1(&wrapped, &present, tag) || !in.Empty() {
		return false
	}
	if !present {
		return true
	}
	if !wrapped.ReadASN1(&list, asn1.SEQUENCE) || !wrapped.Empty() || list.Empty() {
		return false
	}
	for !list.Empty() {
		if !readExtension(&list, accept) {
			return false
		}
	}
	return true
}

func readExtension(in *cryptobyte.String, accept func(id, value []byte, critical bool) bool) bool {
	var fields, id, value cryptobyte.String
	var critical bool
	if !in.ReadASN1(&fields, asn1.SEQUENCE) || !fields.ReadASN1(&id, asn1.OBJECT_IDENTIFIER) ||
		fields.PeekASN1Tag(asn1.BOOLEAN) && !fields.ReadASN1Boolean(&critical) ||
		!fields.ReadASN1(&value, asn1.OCTET_STRING) || !fields.Empty() {
		return false
	}
	return accept(id, value, critical)
}
