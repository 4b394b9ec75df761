// Package certutil has what the packages of pki ask about certificates: extensions, which CA may have issued which
// certificate, and signatures, each verified only once.
package certutil

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"slices"
	"time"

	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"tlagate/internal/der"
)

// Certificate extensions.
var (
	OIDSKI              = asn1.ObjectIdentifier{2, 5, 29, 14}
	OIDKeyUsage         = asn1.ObjectIdentifier{2, 5, 29, 15}
	OIDBasicConstraints = asn1.ObjectIdentifier{2, 5, 29, 19}
	OIDNameConstraints  = asn1.ObjectIdentifier{2, 5, 29, 30}
	OIDInhibitAny       = asn1.ObjectIdentifier{2, 5, 29, 54}
	OIDPolicies         = asn1.ObjectIdentifier{2, 5, 29, 32}
	OIDCRLPoints        = asn1.ObjectIdentifier{2, 5, 29, 31}
	OIDExtKeyUsage      = asn1.ObjectIdentifier{2, 5, 29, 37}
	OIDAuthorityInfo    = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 1}
	OIDSubjectInfo      = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 11}
)

// MayIssue reports whether ca's name and key identifier fit the last of certs, and ca is not one of certs already.
func MayIssue(ca *x509.Certificate, certs []*x509.Certificate) bool {
	child := certs[len(certs)-1]
	return bytes.Equal(ca.RawSubject, child.RawIssuer) && KeyIDsFit(child.AuthorityKeyId, ca.SubjectKeyId) &&
		!slices.ContainsFunc(certs, ca.Equal)
}

// KeyIDsFit reports whether two key identifiers are equal. A missing one fits anything: the signature decides.
func KeyIDsFit(aki, ski []byte) bool {
	return len(aki) == 0 || len(ski) == 0 || bytes.Equal(aki, ski)
}

// Contains reports whether a certificate is one of a list.
func Contains(list []*x509.Certificate, c *x509.Certificate) bool {
	for _, have := range list {
		if have.Equal(c) {
			return true
		}
	}
	return false
}

// SelfIssued reports whether subject and issuer have the same name.
func SelfIssued(c *x509.Certificate) bool { return string(c.RawSubject) == string(c.RawIssuer) }

// HasKeyUsage reports whether a certificate limits what its key may be used for.
func HasKeyUsage(c *x509.Certificate) bool {
	_, has := der.Find(c, OIDKeyUsage)
	return has
}

// Tags of a GeneralName (RFC 5280 section 4.2.1.6).
var (
	DirectoryName = cbasn1.Tag(4).ContextSpecific().Constructed()
	URIName       = cbasn1.Tag(6).ContextSpecific()
)

// TrimZeros returns a serial number without leading zeros.
func TrimZeros(serial []byte) []byte { return bytes.TrimLeft(serial, "\x00") }

// ClockSkew is how far ahead of our clock the dates that a CA signed may begin: its clock is not ours.
const ClockSkew = 5 * time.Minute
