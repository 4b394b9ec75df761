package pki

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"
)

// Profile says which demands a Trust makes. Both run the same code; a check belongs to one profile or to both.
type Profile int

const (
	// RGS is what the programs demand of each other: RFC 5280, and identity, role, exact usages, policies and algorithms.
	RGS Profile = iota
	// RFC5280 is path validation (RFC 5280 section 6, RFC 9618) and revocation alone, for chains of any PKI. What is
	// in doubt, or not understood here, is refused.
	RFC5280
)

// Certificate extensions.
var (
	oidSKI              = asn1.ObjectIdentifier{2, 5, 29, 14}
	oidKeyUsage         = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidSAN              = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidBasicConstraints = asn1.ObjectIdentifier{2, 5, 29, 19}
	oidNameConstraints  = asn1.ObjectIdentifier{2, 5, 29, 30}
	oidInhibitAny       = asn1.ObjectIdentifier{2, 5, 29, 54}
)

func extension(c *x509.Certificate, oid asn1.ObjectIdentifier) (pkix.Extension, bool) {
	i := slices.IndexFunc(c.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(oid) })
	if i < 0 {
		return pkix.Extension{}, false
	}
	return c.Extensions[i], true
}

// anchorAt is the index of the anchor in the path.
func (v *verification) anchorAt() int { return len(v.path.certs) - 1 }

// checkFormatRFC wants serials of RFC 5280 section 4.1.2.2, and names where the section demands them.
func (v *verification) checkFormatRFC() (string, *Refusal) {
	for i, c := range v.below() {
		switch {
		case c.SerialNumber.Sign() <= 0 || c.SerialNumber.BitLen() > 160:
			return "", v.refuse(i, BadCertificate, "its serial number is not a positive one of at most 20 octets")
		case emptyName(c.RawIssuer):
			return "", v.refuse(i, BadCertificate, "it names no issuer")
		case emptyName(c.RawSubject) && c.IsCA:
			return "", v.refuse(i, BadCertificate, "it is a CA without a name")
		case emptyName(c.RawSubject) && !criticalSAN(c):
			return "", v.refuse(i, BadCertificate, "it has neither a subject nor a critical subjectAltName")
		}
	}
	return "serial numbers and names in order", nil
}

func emptyName(der []byte) bool { return len(der) <= 2 }

func criticalSAN(c *x509.Certificate) bool {
	e, ok := extension(c, oidSAN)
	return ok && e.Critical
}

// checkBasicConstraintsRFC is RFC 5280 section 6.1.4 (k) to (m). The anchor is held to what it says of itself.
func (v *verification) checkBasicConstraintsRFC() (string, *Refusal) {
	between := 0 // CAs below, self-issued ones apart
	for i, c := range v.path.certs {
		if i == 0 {
			continue
		}
		if _, has := extension(c, oidBasicConstraints); (has || i < v.anchorAt() || c.Version == 3) && !c.IsCA {
			return "", v.refuse(i, NotCA, "it is no CA and cannot issue")
		}
		if c.BasicConstraintsValid && c.MaxPathLen >= 0 && between > c.MaxPathLen {
			return "", v.refuse(i, NotCA, "its pathLen is %d and %d CAs stand below it", c.MaxPathLen, between)
		}
		if !selfIssued(c) {
			between++
		}
	}
	return "issuers are CAs", nil
}

// checkKeyUsageRFC is RFC 5280 section 6.1.4 (n): a key usage counts where there is one.
func (v *verification) checkKeyUsageRFC() (string, *Refusal) {
	for i, c := range v.path.certs[1:] {
		if _, has := extension(c, oidKeyUsage); has && c.KeyUsage&x509.KeyUsageCertSign == 0 {
			return "", v.refuse(i+1, KeyUsage, "it lacks keyCertSign and cannot issue")
		}
	}
	if leaf := v.leaf(); leaf.KeyUsage&x509.KeyUsageCertSign != 0 && !leaf.IsCA {
		return "", v.refuse(0, KeyUsage, "it has keyCertSign and is no CA")
	}
	return "issuers may issue", nil
}

// checkExtKeyUsageRFC wants the usage allowed by each certificate that limits usages (section 4.2.1.12).
func (v *verification) checkExtKeyUsageRFC() (string, *Refusal) {
	if v.want.Usage == x509.ExtKeyUsageAny {
		return "any will do", nil
	}
	for i, c := range v.below() {
		limited := len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) > 0
		if limited && !slices.Contains(c.ExtKeyUsage, v.want.Usage) && !slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny) {
			return "", v.refuse(i, ExtKeyUsage, "its extended key usage is %s, want %s", usageNames(c), usageName(v.want.Usage))
		}
	}
	return usageName(v.want.Usage), nil
}

// mustBe lists what RFC 5280 says of the critical flag of extensions whose meaning hangs on it.
var mustBe = []struct {
	oid      asn1.ObjectIdentifier
	name     string
	critical bool
}{
	{oidAKI, "authorityKeyIdentifier", false},
	{oidSKI, "subjectKeyIdentifier", false},
	{oidNameConstraints, "nameConstraints", true},
	{oidInhibitAny, "inhibitAnyPolicy", true},
}

// checkExtensionsRFC refuses unknown critical extensions, and those that break section 4.2.
func (v *verification) checkExtensionsRFC() (string, *Refusal) {
	for i, c := range v.path.certs {
		for _, oid := range c.UnhandledCriticalExtensions {
			if !oid.Equal(oidNameConstraints) { // of directory names: checkNameConstraints
				return "", v.refuse(i, BadCertificate, "it has the critical extension %v, which is unknown here", oid)
			}
		}
		for _, m := range mustBe {
			if e, has := extension(c, m.oid); has && e.Critical != m.critical && i < v.anchorAt() {
				return "", v.refuse(i, BadCertificate, "its extension %s is marked critical: %t, want %t", m.name, e.Critical, m.critical)
			}
		}
		if _, has := extension(c, oidNameConstraints); has && !c.IsCA {
			return "", v.refuse(i, BadCertificate, "it has name constraints and is no CA")
		}
	}
	return "no unknown critical one", nil
}

// forSecondOpinion gives copies of a path for crypto/x509 without what it judges otherwise than RFC 5280 and the checks
// before have judged: it counts self-issued CAs against pathLen, compares names byte by byte, and has its own idea of
// constraints on directory names, mail addresses and URIs.
func forSecondOpinion(certs []*x509.Certificate) []*x509.Certificate {
	copies := make([]*x509.Certificate, len(certs))
	for i, c := range certs {
		plain := *c
		plain.MaxPathLen, plain.MaxPathLenZero = -1, false
		plain.UnhandledCriticalExtensions = slices.DeleteFunc(slices.Clone(c.UnhandledCriticalExtensions), oidNameConstraints.Equal)
		plain.PermittedEmailAddresses, plain.ExcludedEmailAddresses = nil, nil
		plain.PermittedURIDomains, plain.ExcludedURIDomains = nil, nil
		if i+1 < len(certs) {
			plain.RawIssuer = certs[i+1].RawSubject
		}
		copies[i] = &plain
	}
	return copies
}

// otherKeys gives the certificates above the issuer at i that bear its name: older or newer keys of it.
func (v *verification) otherKeys(i int) []*x509.Certificate {
	var list []*x509.Certificate
	for _, c := range v.path.certs[i+1:] {
		if bytes.Equal(c.RawSubject, v.path.certs[i].RawSubject) {
			list = append(list, c)
		}
	}
	return list
}
