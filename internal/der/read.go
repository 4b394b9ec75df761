package der

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	tag "golang.org/x/crypto/cryptobyte/asn1"
)

// Context-specific tags of constructed elements: EXPLICIT ones, and an IMPLICIT SEQUENCE or SET.
const (
	Context0 = tag.Tag(0 | 0xa0)
	Context1 = tag.Tag(1 | 0xa0)
	Context2 = tag.Tag(2 | 0xa0)
)

// Sequence returns the content of the SEQUENCE that is all of in.
func Sequence(in []byte) (content cryptobyte.String, ok bool) {
	s := cryptobyte.String(in)
	ok = s.ReadASN1(&content, tag.SEQUENCE) && s.Empty()
	return content, ok
}

// Extension is an extension of a certificate, list, request or answer (RFC 5280 section 4.1).
type Extension struct {
	ID       cryptobyte.String // the OBJECT IDENTIFIER, as OID writes it
	Critical bool
	Value    cryptobyte.String
}

// ReadExtension reads the next of Extensions.
func ReadExtension(in *cryptobyte.String) (e Extension, ok bool) {
	var fields cryptobyte.String
	ok = in.ReadASN1(&fields, tag.SEQUENCE) && fields.ReadASN1Element(&e.ID, tag.OBJECT_IDENTIFIER) &&
		(!fields.PeekASN1Tag(tag.BOOLEAN) || fields.ReadASN1Boolean(&e.Critical)) &&
		fields.ReadASN1(&e.Value, tag.OCTET_STRING) && fields.Empty()
	return e, ok
}

// ObjectIdentifier returns the extension's identifier. It is not ok if it is malformed, or has numbers too large for
// Go.
func (e Extension) ObjectIdentifier() (id asn1.ObjectIdentifier, ok bool) {
	in := e.ID
	ok = in.ReadASN1ObjectIdentifier(&id)
	return id, ok
}

// Find returns a certificate's extension with an identifier, and whether there is one.
func Find(c *x509.Certificate, id asn1.ObjectIdentifier) (pkix.Extension, bool) {
	i := slices.IndexFunc(c.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(id) })
	if i < 0 {
		return pkix.Extension{}, false
	}
	return c.Extensions[i], true
}

// ReadAttribute reads the next Attribute (RFC 5652 section 5.3): its kind, and its values.
func ReadAttribute(in *cryptobyte.String) (kind asn1.ObjectIdentifier, values cryptobyte.String, ok bool) {
	var fields cryptobyte.String
	ok = in.ReadASN1(&fields, tag.SEQUENCE) && fields.ReadASN1ObjectIdentifier(&kind) &&
		fields.ReadASN1(&values, tag.SET) && fields.Empty()
	return kind, values, ok
}

// ReadSignedData returns the content of the SignedData in a CMS message (RFC 5652 sections 3 and 5.1).
func ReadSignedData(message []byte) (signed cryptobyte.String, ok bool) {
	var explicit cryptobyte.String
	var kind asn1.ObjectIdentifier
	info, ok := Sequence(message)
	ok = ok && info.ReadASN1ObjectIdentifier(&kind) && kind.Equal(SignedData) &&
		info.ReadASN1(&explicit, Context0) && info.Empty() &&
		explicit.ReadASN1(&signed, tag.SEQUENCE) && explicit.Empty()
	return signed, ok
}

// CertID identifies a certificate by hashes of its issuer's name and key, and its serial number (RFC 6960 section
// 4.1.1).
type CertID struct {
	Raw        cryptobyte.String // the whole element
	Hash       cryptobyte.String // the hash's OBJECT IDENTIFIER, as OID writes it
	Parameters cryptobyte.String // of the hash, whatever follows its identifier
	Name, Key  cryptobyte.String // hashes
	Serial     cryptobyte.String // content of the INTEGER
}

// ReadCertID reads a CertID. The caller judges its Parameters and Serial.
func ReadCertID(in *cryptobyte.String) (id CertID, ok bool) {
	if !in.ReadASN1Element(&id.Raw, tag.SEQUENCE) {
		return id, false
	}
	fields, ok := Sequence(id.Raw)
	ok = ok && fields.ReadASN1(&id.Parameters, tag.SEQUENCE) &&
		id.Parameters.ReadASN1Element(&id.Hash, tag.OBJECT_IDENTIFIER) &&
		fields.ReadASN1(&id.Name, tag.OCTET_STRING) && fields.ReadASN1(&id.Key, tag.OCTET_STRING) &&
		fields.ReadASN1(&id.Serial, tag.INTEGER) && fields.Empty()
	return id, ok
}

// PublicKeyBits returns the content of a certificate's subjectPublicKey, which is what a CertID hashes. It never fails
// on a certificate that crypto/x509 has read.
func PublicKeyBits(c *x509.Certificate) (bits []byte, err error) {
	info, ok := Sequence(c.RawSubjectPublicKeyInfo)
	if !ok || !info.SkipASN1(tag.SEQUENCE) || !info.ReadASN1BitStringAsBytes(&bits) {
		return nil, fmt.Errorf("cannot read the public key of %q", c.Subject.CommonName)
	}
	return bits, nil
}
