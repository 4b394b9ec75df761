package pki

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"tlagate/internal/der"
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
	oidBasicConstraints = asn1.ObjectIdentifier{2, 5, 29, 19}
	oidNameConstraints  = asn1.ObjectIdentifier{2, 5, 29, 30}
	oidInhibitAny       = asn1.ObjectIdentifier{2, 5, 29, 54}
	oidPolicies         = asn1.ObjectIdentifier{2, 5, 29, 32}
	oidCRLPoints        = asn1.ObjectIdentifier{2, 5, 29, 31}
	oidExtKeyUsage      = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidAuthorityInfo    = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 1}
	oidSubjectInfo      = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 11}
)

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
		if at := slices.IndexFunc(c.DNSNames, func(n string) bool { return !isDNSName(n) }); at >= 0 {
			return "", v.refuse(i, BadCertificate, "its DNS name %s is none", name(c.DNSNames[at]))
		}
	}
	return "serial numbers and names in order", nil
}

// isDNSName wants the preferred name syntax (RFC 5280 section 4.2.1.6), and lets a wildcard stand for the first label.
func isDNSName(n string) bool {
	if _, err := netip.ParseAddr(n); err == nil || len(n) > 253 {
		return false
	}
	for _, label := range strings.Split(strings.TrimPrefix(n, "*."), ".") {
		odd := func(r rune) bool {
			return !(r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z')
		}
		if label == "" || len(label) > 63 || strings.ContainsFunc(label, odd) || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
	}
	return true
}

func emptyName(der []byte) bool { return len(der) <= 2 }

func criticalSAN(c *x509.Certificate) bool {
	e, ok := der.Find(c, der.SubjectAltName)
	return ok && e.Critical
}

// shortestRSA is in bits. Shorter keys were broken in public long ago; crypto/x509 verifies with any.
const shortestRSA = 1024

// checkAlgorithmsRFC refuses keys that anybody can break. Which signatures there may be, crypto/x509 decides.
func (v *verification) checkAlgorithmsRFC() (string, *Refusal) {
	for i, c := range slices.Backward(v.path.certs) {
		if k, ok := c.PublicKey.(*rsa.PublicKey); ok && k.N.BitLen() < shortestRSA {
			return "", v.refuse(i, WeakKey, "RSA key of %d bits, want at least %d", k.N.BitLen(), shortestRSA)
		}
	}
	return fmt.Sprintf("%v key, signed with %v", v.leaf().PublicKeyAlgorithm, v.leaf().SignatureAlgorithm), nil
}

// checkBasicConstraintsRFC is RFC 5280 section 6.1.4 (k) to (m). The anchor is held to what it says of itself.
func (v *verification) checkBasicConstraintsRFC() (string, *Refusal) {
	between := 0 // CAs below, self-issued ones apart
	for i, c := range v.path.certs {
		if i == 0 {
			continue
		}
		e, has := der.Find(c, oidBasicConstraints)
		if (has || i < v.anchorAt() || c.Version == 3) && !c.IsCA {
			return "", v.refuse(i, NotCA, "it is no CA and cannot issue")
		}
		if has && !e.Critical && i == v.anchorAt() {
			return "", v.refuse(i, BadCertificate, "its basicConstraints are not marked critical")
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
		if _, has := der.Find(c, oidKeyUsage); has && c.KeyUsage&x509.KeyUsageCertSign == 0 {
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
	{der.AuthorityKeyIdentifier, "authorityKeyIdentifier", false},
	{oidSKI, "subjectKeyIdentifier", false},
	{oidAuthorityInfo, "authorityInfoAccess", false},
	{oidSubjectInfo, "subjectInfoAccess", false},
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
			if e, has := der.Find(c, m.oid); has && e.Critical != m.critical && i < v.anchorAt() {
				return "", v.refuse(i, BadCertificate, "its extension %s is marked critical: %t, want %t", m.name, e.Critical, m.critical)
			}
		}
		if text := v.malformed(i); text != "" {
			return "", v.refuse(i, BadCertificate, "%s", text)
		}
	}
	return "no unknown critical one, none missing", nil
}

// malformed says what else of section 4.2 the extensions of certificate i break. A v1 anchor has none.
func (v *verification) malformed(i int) string {
	c := v.path.certs[i]
	_, constrained := der.Find(c, oidNameConstraints)
	_, limited := der.Find(c, oidExtKeyUsage)
	switch {
	case constrained && !c.IsCA:
		return "it has name constraints and is no CA"
	case hasUnknownQualifier(c):
		return "its certificate policies are critical and have a qualifier that is unknown here"
	case limited && len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) == 0:
		return "its extended key usage is empty"
	case i < v.anchorAt() && len(c.AuthorityKeyId) == 0:
		return "it has no authority key identifier"
	case c.IsCA && len(c.SubjectKeyId) == 0:
		return "it is a CA and has no subject key identifier"
	}
	return ""
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

// otherKeys gives the certificates that bear the name of the issuer at i and are not its own: older or newer keys, in the path above
// it, and keys for its lists alone.
func (v *verification) otherKeys(i int) []*x509.Certificate {
	var list []*x509.Certificate
	for _, c := range v.path.certs[i+1:] {
		if bytes.Equal(c.RawSubject, v.path.certs[i].RawSubject) {
			list = append(list, c)
		}
	}
	for _, c := range v.t.roots.Load().intermediates {
		if bytes.Equal(c.RawSubject, v.path.certs[i].RawSubject) && !containsCert(v.path.certs, c) && v.signsLists(c, i) {
			list = append(list, c)
		}
	}
	return list
}

// signsLists says whether a certificate beside the path is that of a key with which the issuer at i signs its lists: given by
// the issuer itself or by the CA above it, and good by the same checks (RFC 5280 section 6.3.3 (f)).
func (v *verification) signsLists(c *x509.Certificate, i int) bool {
	if !hasKeyUsage(c) || c.KeyUsage&x509.KeyUsageCRLSign == 0 || len(c.UnhandledCriticalExtensions) > 0 ||
		v.now.Before(c.NotBefore) || v.now.After(c.NotAfter) {
		return false
	}
	for _, issuer := range v.path.certs[i:min(i+2, len(v.path.certs))] {
		if !mayIssue(issuer, []*x509.Certificate{c}) || v.t.links.check(c, issuer, true) != nil {
			continue
		}
		_, refusal := v.t.status(question{issuer: issuer, cert: c, ca: c.IsCA, now: v.now})
		return refusal == nil
	}
	return false
}

// checkCritical refuses, in the profile RFC5280, lists that mark critical what sections 5.2.1 and 5.2.3 say must not be.
func (t *Trust) checkCritical(c *crl) *Refusal {
	if t.cfg.Profile != RFC5280 {
		return nil
	}
	for _, e := range c.list.Extensions {
		if e.Critical && (e.Id.Equal(der.AuthorityKeyIdentifier) || e.Id.Equal(der.CRLNumber)) {
			return c.refuse(CRLBad, "its extension %v is marked critical, which RFC 5280 forbids", e.Id)
		}
	}
	return nil
}

// checkScope says whether a CRL speaks of a certificate at all. The profile RFC5280 knows distribution points by directory
// names too.
func (t *Trust) checkScope(c *crl, cert *x509.Certificate, ca bool) *Refusal {
	named := t.cfg.Profile == RFC5280 && c.scope.namedBy(cert)
	if err := c.scope.covers(cert, ca, named); err != nil {
		return c.refuse(CRLBad, "%v", err)
	}
	return nil
}
