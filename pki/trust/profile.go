package trust

import (
	"bytes"
	"crypto/x509"

	"tlagate/pki"
	"tlagate/pki/internal/certutil"
	"tlagate/pki/revocation"
	"tlagate/pki/rfc5280"
)

// Profile is a set of demands on chains. All profiles run the same code; a check belongs to one or several of them.
type Profile int

const (
	// RGS is what the programs demand of each other: RFC 5280, and identity, role, exact usages, policies and
	// algorithms.
	RGS Profile = iota
	// RFC5280 is only path validation (RFC 5280 section 6, RFC 9618) and revocation, for chains of any PKI. What is in
	// doubt, or not understood here, is refused.
	RFC5280
	// Foreign is RGS without identity, role and policies, for servers of another PKI that our programs connect to.
	Foreign
	// Persons is for the persons who use terminals, whose certificates come from another PKI: VerifyPerson, and nothing
	// else.
	Persons
)

// rfcChecks are the checks of the profile RFC5280, made in this order.
var rfcChecks = []check{
	{"path", (*verification).describePath},
	{"format", fromRFC(rfc5280.Path.Format)},
	{"algorithms", fromRFC(rfc5280.Path.Algorithms)},
	{"signatures", (*verification).checkSignatures},
	{"dates", (*verification).checkDates},
	{"test CA", (*verification).checkTestCA},
	{"basic constraints", fromRFC(rfc5280.Path.BasicConstraints)},
	{"key usage", fromRFC(rfc5280.Path.KeyUsages)},
	{"extended key usage", fromRFC(rfc5280.Path.ExtKeyUsages)},
	{"extensions", fromRFC(rfc5280.Path.Extensions)},
	{"policy", fromRFC(rfc5280.Path.Policies)},
	{"name constraints", fromRFC(rfc5280.Path.NameConstraints)},
	{"DNS name", (*verification).checkDNSName},
	{"X.509", (*verification).checkX509},
	{"revocation", (*verification).checkRevocation},
}

// fromRFC turns a check of package rfc5280 into one of this package.
func fromRFC(check func(rfc5280.Path) (string, *rfc5280.Fault)) checkFunc {
	return func(v *verification) (string, *pki.Refusal) {
		detail, fault := check(rfc5280.Path{Certs: v.path.certs, Usage: v.want.Usage, Policy: v.want.Policy})
		if fault != nil {
			return "", v.refuse(fault.At, fault.Reason, "%s", fault.Detail)
		}
		return detail, nil
	}
}

// checks returns the checks of a profile.
func (p Profile) checks() []check {
	switch p {
	case RFC5280:
		return rfcChecks
	case Foreign:
		return foreignChecks
	case Persons:
		return personChecks
	}
	return checks
}

// otherKeys returns the certificates with the name of the issuer at i that are not its own: for older or newer keys, in
// the path above it, and for keys that sign only its lists.
func (v *verification) otherKeys(i int) []*x509.Certificate {
	var list []*x509.Certificate
	for _, c := range v.path.certs[i+1:] {
		if bytes.Equal(c.RawSubject, v.path.certs[i].RawSubject) {
			list = append(list, c)
		}
	}
	for _, c := range v.t.roots.Load().intermediates {
		if bytes.Equal(c.RawSubject, v.path.certs[i].RawSubject) && !certutil.Contains(v.path.certs, c) &&
			v.signsLists(c, i) {
			list = append(list, c)
		}
	}
	return list
}

// signsLists reports whether a certificate beside the path is for a key with which the issuer at i signs its lists: it
// was issued by the issuer itself or by the CA above it, and passes the same checks (RFC 5280 section 6.3.3 (f)).
func (v *verification) signsLists(c *x509.Certificate, i int) bool {
	if !certutil.HasKeyUsage(c) || c.KeyUsage&x509.KeyUsageCRLSign == 0 || len(c.UnhandledCriticalExtensions) > 0 ||
		v.now.Before(c.NotBefore) || v.now.After(c.NotAfter) {
		return false
	}
	for _, issuer := range v.path.certs[i:min(i+2, len(v.path.certs))] {
		if !certutil.MayIssue(issuer, []*x509.Certificate{c}) || v.t.links.check(c, issuer, true) != nil {
			continue
		}
		_, refusal := v.t.Status(revocation.Question{Issuer: issuer, Cert: c, CA: c.IsCA, Now: v.now})
		return refusal == nil
	}
	return false
}
