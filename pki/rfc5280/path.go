// Package rfc5280 has the checks of certification path validation (RFC 5280 section 6, RFC 9618) that need only the
// path: form, constraints, usages, policies, names. What is in doubt, or not understood here, is refused. Package trust
// makes them in its profile RFC5280, which only `tla-pki verify --profile rfc5280` uses.
package rfc5280

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"tlagate/internal/der"
	"tlagate/pki"
	"tlagate/pki/internal/certutil"
	"tlagate/pki/internal/describe"
)

// Path is a chain that is being judged. Its methods are checks: each returns what was found, for people, or what is
// wrong.
type Path struct {
	Certs  []*x509.Certificate // leaf first, anchor last
	Usage  x509.ExtKeyUsage    // what the leaf is used for
	Policy PolicyWant          // which policies are demanded
}

// Fault is what is wrong with one certificate of a path.
type Fault struct {
	At     int // its index in the path
	Reason pki.Reason
	Detail string // one sentence, as in a Refusal
}

func (p Path) refuse(i int, r pki.Reason, format string, args ...any) *Fault {
	return &Fault{i, r, fmt.Sprintf(format, args...)}
}

func (p Path) leaf() *x509.Certificate { return p.Certs[0] }

// below returns the certificates below the anchor: leaf, then CAs.
func (p Path) below() []*x509.Certificate { return p.Certs[:p.anchorAt()] }

// anchorAt returns the index of the anchor in the path.
func (p Path) anchorAt() int { return len(p.Certs) - 1 }

// Format checks the serials (RFC 5280 section 4.1.2.2), and the names where that section demands them.
func (p Path) Format() (string, *Fault) {
	for i, c := range p.below() {
		switch {
		case c.SerialNumber.Sign() <= 0 || c.SerialNumber.BitLen() > 160:
			return "", p.refuse(i, pki.BadCertificate, "its serial number is not a positive one of at most 20 octets")
		case emptyName(c.RawIssuer):
			return "", p.refuse(i, pki.BadCertificate, "it names no issuer")
		case emptyName(c.RawSubject) && c.IsCA:
			return "", p.refuse(i, pki.BadCertificate, "it is a CA without a name")
		case emptyName(c.RawSubject) && !criticalSAN(c):
			return "", p.refuse(i, pki.BadCertificate, "it has neither a subject nor a critical subjectAltName")
		}
		if at := slices.IndexFunc(c.DNSNames, func(n string) bool { return !isDNSName(n) }); at >= 0 {
			return "", p.refuse(i, pki.BadCertificate, "its DNS name %s is malformed", describe.Name(c.DNSNames[at]))
		}
	}
	return "serial numbers and names in order", nil
}

// isDNSName reports whether n has the preferred name syntax (RFC 5280 section 4.2.1.6); its first label may be a
// wildcard.
func isDNSName(n string) bool {
	if _, err := netip.ParseAddr(n); err == nil || len(n) > 253 {
		return false
	}
	for _, label := range strings.Split(strings.TrimPrefix(n, "*."), ".") {
		odd := func(r rune) bool {
			return !(r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z')
		}
		if label == "" || len(label) > 63 || strings.ContainsFunc(label, odd) || label[0] == '-' ||
			label[len(label)-1] == '-' {
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

// shortestRSA is in bits. Shorter keys were broken in public long ago, but crypto/x509 accepts any.
const shortestRSA = 1024

// Algorithms refuses keys that anyone can break. crypto/x509 decides which signature algorithms are allowed.
func (p Path) Algorithms() (string, *Fault) {
	for i, c := range slices.Backward(p.Certs) {
		if k, ok := c.PublicKey.(*rsa.PublicKey); ok && k.N.BitLen() < shortestRSA {
			return "", p.refuse(i, pki.WeakKey, "RSA key of %d bits, want at least %d", k.N.BitLen(), shortestRSA)
		}
	}
	return fmt.Sprintf("%v key, signed with %v", p.leaf().PublicKeyAlgorithm, p.leaf().SignatureAlgorithm), nil
}

// BasicConstraints is RFC 5280 section 6.1.4 (k) to (m). The anchor must obey its own constraints.
func (p Path) BasicConstraints() (string, *Fault) {
	between := 0 // CAs below, without self-issued ones
	for i, c := range p.Certs {
		if i == 0 {
			continue
		}
		e, has := der.Find(c, certutil.OIDBasicConstraints)
		if (has || i < p.anchorAt() || c.Version == 3) && !c.IsCA {
			return "", p.refuse(i, pki.NotCA, "it is no CA and cannot issue")
		}
		if has && !e.Critical && i == p.anchorAt() {
			return "", p.refuse(i, pki.BadCertificate, "its basicConstraints are not marked critical")
		}
		if c.BasicConstraintsValid && c.MaxPathLen >= 0 && between > c.MaxPathLen {
			return "", p.refuse(i, pki.NotCA, "its pathLen is %d and %d CAs stand below it", c.MaxPathLen, between)
		}
		if !certutil.SelfIssued(c) {
			between++
		}
	}
	return "issuers are CAs", nil
}

// KeyUsages is RFC 5280 section 6.1.4 (n): a certificate without a key usage is not limited.
func (p Path) KeyUsages() (string, *Fault) {
	for i, c := range p.Certs[1:] {
		if _, has := der.Find(c, certutil.OIDKeyUsage); has && c.KeyUsage&x509.KeyUsageCertSign == 0 {
			return "", p.refuse(i+1, pki.KeyUsage, "it lacks keyCertSign and cannot issue")
		}
	}
	if leaf := p.leaf(); leaf.KeyUsage&x509.KeyUsageCertSign != 0 && !leaf.IsCA {
		return "", p.refuse(0, pki.KeyUsage, "it has keyCertSign and is no CA")
	}
	return "issuers may issue", nil
}

// ExtKeyUsages checks that each certificate that limits usages allows this one (section 4.2.1.12).
func (p Path) ExtKeyUsages() (string, *Fault) {
	if p.Usage == x509.ExtKeyUsageAny {
		return "any will do", nil
	}
	for i, c := range p.below() {
		limited := len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) > 0
		if limited && !slices.Contains(c.ExtKeyUsage, p.Usage) && !slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny) {
			return "", p.refuse(i, pki.ExtKeyUsage, "its extended key usage is %s, want %s", describe.Usages(c),
				describe.Usage(p.Usage))
		}
	}
	return describe.Usage(p.Usage), nil
}

// mustBe lists what RFC 5280 demands of the critical flag, for extensions whose meaning depends on it.
var mustBe = []struct {
	oid      asn1.ObjectIdentifier
	name     string
	critical bool
}{
	{der.AuthorityKeyIdentifier, "authorityKeyIdentifier", false},
	{certutil.OIDSKI, "subjectKeyIdentifier", false},
	{certutil.OIDAuthorityInfo, "authorityInfoAccess", false},
	{certutil.OIDSubjectInfo, "subjectInfoAccess", false},
	{certutil.OIDNameConstraints, "nameConstraints", true},
	{certutil.OIDInhibitAny, "inhibitAnyPolicy", true},
}

// Extensions refuses unknown critical extensions, and those that break section 4.2.
func (p Path) Extensions() (string, *Fault) {
	for i, c := range p.Certs {
		for _, oid := range c.UnhandledCriticalExtensions {
			if !oid.Equal(certutil.OIDNameConstraints) { // NameConstraints judges those on directory names
				return "", p.refuse(i, pki.BadCertificate, "it has the critical extension %v, which is unknown here",
					oid)
			}
		}
		for _, m := range mustBe {
			if e, has := der.Find(c, m.oid); has && e.Critical != m.critical && i < p.anchorAt() {
				return "", p.refuse(i, pki.BadCertificate, "its extension %s is marked critical: %t, want %t", m.name,
					e.Critical, m.critical)
			}
		}
		if text := p.malformed(i); text != "" {
			return "", p.refuse(i, pki.BadCertificate, "%s", text)
		}
	}
	return "no unknown critical one, none missing", nil
}

// malformed returns what else in section 4.2 the extensions of certificate i violate. A v1 anchor has none.
func (p Path) malformed(i int) string {
	c := p.Certs[i]
	_, constrained := der.Find(c, certutil.OIDNameConstraints)
	_, limited := der.Find(c, certutil.OIDExtKeyUsage)
	switch {
	case constrained && !c.IsCA:
		return "it has name constraints and is no CA"
	case HasUnknownQualifier(c):
		return "its certificate policies are critical and have a qualifier that is unknown here"
	case limited && len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) == 0:
		return "its extended key usage is empty"
	case i < p.anchorAt() && len(c.AuthorityKeyId) == 0:
		return "it has no authority key identifier"
	case c.IsCA && len(c.SubjectKeyId) == 0:
		return "it is a CA and has no subject key identifier"
	}
	return ""
}

// SecondOpinion returns copies of a path for crypto/x509, without what crypto/x509 judges otherwise than RFC 5280 and
// the checks here do: it counts self-issued CAs against pathLen, compares names byte by byte, and has its own idea of
// constraints on directory names, mail addresses and URIs.
func SecondOpinion(certs []*x509.Certificate) []*x509.Certificate {
	copies := make([]*x509.Certificate, len(certs))
	for i, c := range certs {
		plain := *c
		plain.MaxPathLen, plain.MaxPathLenZero = -1, false
		plain.UnhandledCriticalExtensions = slices.DeleteFunc(slices.Clone(c.UnhandledCriticalExtensions),
			certutil.OIDNameConstraints.Equal)
		plain.PermittedEmailAddresses, plain.ExcludedEmailAddresses = nil, nil
		plain.PermittedURIDomains, plain.ExcludedURIDomains = nil, nil
		if i+1 < len(certs) {
			plain.RawIssuer = certs[i+1].RawSubject
		}
		copies[i] = &plain
	}
	return copies
}
