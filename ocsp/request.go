package ocsp

import (
	"bytes"
	"errors"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"tlagate/internal/der"
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
	nonce []byte // content of the Nonce; nil = none, or one that is too short to count
}

// certID names a certificate.
type certID struct {
	der.CertID
	unusual bool // the hash algorithm has parameters other than NULL
}

// errMalformed means that what was parsed is no OCSPRequest that can be answered.
var errMalformed = errors.New("cannot read the OCSP request: it is malformed")

// Object identifiers, DER.
var (
	oidNonce     = der.OID(der.OCSPNonce)
	oidResponses = der.OID(der.OCSPResponse) // basic is what every client understands
)

// parseRequest reads a request of 1 to most certificates. A signature is skipped: everybody is answered.
func parseRequest(raw []byte, most int) (*request, error) {
	var tbs, list cryptobyte.String
	outer, ok := der.Sequence(raw)
	if !ok || !outer.ReadASN1(&tbs, asn1.SEQUENCE) || !skipSignature(&outer) {
		return nil, errMalformed
	}
	if !skipVersion(&tbs) || !tbs.SkipOptionalASN1(der.Context1) || !tbs.ReadASN1(&list, asn1.SEQUENCE) {
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
	if !in.ReadOptionalASN1(&wrapped, &present, der.Context0) || !in.Empty() {
		return false
	}
	return !present || wrapped.SkipASN1(asn1.SEQUENCE) && wrapped.Empty()
}

// skipVersion accepts v1, even if it is written out, which DER does not allow.
func skipVersion(in *cryptobyte.String) bool {
	var wrapped cryptobyte.String
	var present bool
	if !in.ReadOptionalASN1(&wrapped, &present, der.Context0) {
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
	return readExtensions(single, der.Context0, func(e der.Extension) bool { return !e.Critical })
}

func readCertID(in *cryptobyte.String, id *certID) (ok bool) {
	id.CertID, ok = der.ReadCertID(in)
	return ok && len(id.Hash) > 2 && id.judgeParameters() && isInteger(id.Serial)
}

// judgeParameters notes whether parameters are other than absent or NULL (clients write either), and reports whether
// they can be read.
func (id *certID) judgeParameters() bool {
	in := id.Parameters
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

// isInteger reports whether content is an INTEGER's: 1 to 21 octets, no more of them than needed (X.690, 8.3.2).
func isInteger(content []byte) bool {
	if len(content) < 2 {
		return len(content) == 1
	}
	redundant := content[0] == 0 && content[1] < 0x80 || content[0] == 0xff && content[1] >= 0x80
	return len(content) <= maxSerial && !redundant
}

func (r *request) readExtensions(in cryptobyte.String) bool {
	nonces := 0
	return readExtensions(in, der.Context2, func(e der.Extension) bool {
		switch {
		case bytes.Equal(e.ID, oidNonce):
			nonces++
			return nonces == 1 && r.readNonce(e.Value)
		case bytes.Equal(e.ID, oidResponses):
			return true
		}
		return !e.Critical
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
func readExtensions(in cryptobyte.String, tag asn1.Tag, accept func(der.Extension) bool) bool {
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
		if e, ok := der.ReadExtension(&list); !ok || !accept(e) {
			return false
		}
	}
	return true
}
