package der

import (
	"encoding/asn1"

	"golang.org/x/crypto/cryptobyte"
)

// Object identifiers that several packages need.
var (
	// Extensions of certificates and lists (RFC 5280 sections 4.2 and 5.2).
	SubjectAltName         = asn1.ObjectIdentifier{2, 5, 29, 17}
	CRLNumber              = asn1.ObjectIdentifier{2, 5, 29, 20}
	CRLReason              = asn1.ObjectIdentifier{2, 5, 29, 21}
	AuthorityKeyIdentifier = asn1.ObjectIdentifier{2, 5, 29, 35}

	// OCSP (RFC 6960 section 4).
	OCSPBasic    = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 1}
	OCSPNonce    = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 2}
	OCSPResponse = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 4} // the kinds of answers a client understands
	OCSPNoCheck  = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}

	// CMS (RFC 5652) and requests (RFC 2985 section 5.4.1).
	Data              = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	SignedData        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	ChallengePassword = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 7}

	// Signatures (RFC 5758 section 3.2, RFC 4055 section 5).
	ECDSAWithSHA256 = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}
	ECDSAWithSHA384 = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}
	SHA256WithRSA   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}
)

// OID returns an object identifier in DER, to compare and write it without a conversion each time.
func OID(id asn1.ObjectIdentifier) []byte {
	var b cryptobyte.Builder
	b.AddASN1ObjectIdentifier(id)
	return b.BytesOrPanic() // the identifiers are constants
}
