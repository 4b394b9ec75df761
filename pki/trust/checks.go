package trust

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tlagate/internal/stamp"
	"tlagate/pki"
	"tlagate/pki/internal/certutil"
	"tlagate/pki/internal/describe"
	"tlagate/pki/revocation"
	"tlagate/pki/rfc5280"
)

// checks are made in this order on each path; the first that fails decides. Those that need no cryptography and say
// most come first; weak algorithms are refused before any signature is trusted; revocation, the most expensive, is
// last.
var checks = []check{
	{"path", (*verification).describePath},
	{"format", (*verification).checkFormat},
	{"algorithms", (*verification).checkAlgorithms},
	{"signatures", (*verification).checkSignatures},
	{"dates", (*verification).checkDates},
	{"test CA", (*verification).checkTestCA},
	{"basic constraints", (*verification).checkBasicConstraints},
	{"key usage", (*verification).checkKeyUsage},
	{"extended key usage", (*verification).checkExtKeyUsage},
	{"extensions", (*verification).checkExtensions},
	{"policy", (*verification).checkPolicy},
	{"identity", (*verification).checkIdentity},
	{"name space", (*verification).checkNameSpace},
	{"role", (*verification).checkRole},
	{"peer", (*verification).checkPeer},
	{"practice", (*verification).checkPractice},
	{"DNS name", (*verification).checkDNSName},
	{"X.509", (*verification).checkX509},
	{"revocation", (*verification).checkRevocation},
}

// check is one row of a table.
type check struct {
	name string
	make checkFunc
}

// checkFunc makes one check. It returns what was found, for people, or why the path is refused.
type checkFunc func(*verification) (string, *pki.Refusal)

// verification is one path that is being judged.
type verification struct {
	circumstances
	t    *Trust
	path path
	want Want
	now  time.Time

	verdict Verdict
	refusal *pki.Refusal
}

// run makes the checks, and returns the index of the one that failed, or how many there are.
func (v *verification) run() int {
	v.verdict.Path = v.path.certs
	v.verdict.NotAfter = earliestEnd(v.path.certs)
	all := v.t.cfg.Profile.checks()
	for i, c := range all {
		detail, refusal := c.make(v)
		step := Check{Name: c.name, Detail: detail}
		if refusal != nil {
			step.Subject, step.Detail, step.Err = refusal.Subject, refusal.Detail, refusal
		}
		v.verdict.Checks = append(v.verdict.Checks, step)
		if v.refusal = refusal; refusal != nil {
			return i
		}
	}
	return len(all)
}

func (v *verification) leaf() *x509.Certificate { return v.path.certs[0] }

// below returns the certificates below the anchor: leaf, then CAs.
func (v *verification) below() []*x509.Certificate { return v.path.certs[:len(v.path.certs)-1] }

// refuse returns a refusal for what is wrong with certificate i of the path.
func (v *verification) refuse(i int, r pki.Reason, format string, args ...any) *pki.Refusal {
	if v.person {
		return &pki.Refusal{Reason: r, Subject: v.subject(i), Detail: fmt.Sprintf(format, args...)}
	}
	id, _ := pki.IdentityOf(v.leaf())
	return &pki.Refusal{Reason: r, Subject: v.subject(i), Detail: fmt.Sprintf(format, args...), Claimed: id,
		Serial: v.leaf().SerialNumber}
}

func (v *verification) subject(i int) string {
	leaf := nameOfLeaf(v.leaf(), v.circumstances)
	if i == 0 {
		return leaf
	}
	return describe.CA(v.path.certs[i]) + " above " + leaf
}

// nameOfLeaf returns what a leaf is called in texts.
func nameOfLeaf(leaf *x509.Certificate, how circumstances) string {
	if how.person {
		return aPerson
	}
	return describe.Leaf(leaf, how.standing)
}

func (v *verification) describePath() (string, *pki.Refusal) {
	names := make([]string, len(v.path.certs))
	for i, c := range v.path.certs {
		names[i] = describe.Name(c.Subject.CommonName)
	}
	return strings.Join(names, " ← "), nil
}

// checkFormat wants X.509 v3, and serials of RFC 5280 section 4.1.2.2.
func (v *verification) checkFormat() (string, *pki.Refusal) {
	for i, c := range v.below() {
		if c.Version != 3 {
			return "", v.refuse(i, pki.BadCertificate, "it is X.509 v%d, want v3", c.Version)
		}
		if c.SerialNumber.Sign() <= 0 || c.SerialNumber.BitLen() > 160 {
			return "", v.refuse(i, pki.BadCertificate, "its serial number is not a positive one of at most 20 octets")
		}
	}
	return "X.509 v3, serial numbers in order", nil
}

// checkAlgorithms goes from the anchor down, so that a weak issuer is named before what it signed. The anchor's own
// signature proves nothing and is not checked.
func (v *verification) checkAlgorithms() (string, *pki.Refusal) {
	for i, c := range slices.Backward(v.path.certs) {
		if err := pki.CheckKey(c.PublicKey, v.now); err != nil {
			return "", v.refuse(i, pki.WeakKey, "%v", err)
		}
		if i == len(v.path.certs)-1 {
			continue
		}
		if err := pki.CheckSignatureAlgorithm(c.SignatureAlgorithm); err != nil {
			return "", v.refuse(i, pki.WeakSignature, "%v", err)
		}
	}
	return fmt.Sprintf("%v key, signed with %v", v.leaf().PublicKeyAlgorithm, v.leaf().SignatureAlgorithm), nil
}

func (v *verification) checkSignatures() (string, *pki.Refusal) {
	for i, c := range v.below() {
		issuer := v.path.certs[i+1]
		if err := v.t.links.check(c, issuer, i > 0); err != nil {
			return "", v.refuse(i, pki.BadSignature, "%s did not sign it: %v", describe.Name(issuer.Subject.CommonName),
				err)
		}
	}
	return "each is signed by the next", nil
}

func (v *verification) checkDates() (string, *pki.Refusal) {
	for i, c := range v.path.certs {
		if v.now.Before(c.NotBefore) {
			return "", v.refuse(i, pki.NotYetValid, "it begins at %s and it is %s here", stamp.Instant(c.NotBefore),
				stamp.Instant(v.now))
		}
		if v.now.After(c.NotAfter) {
			return "", v.refuse(i, pki.Expired, "it ended at %s and it is %s here", stamp.Instant(c.NotAfter),
				stamp.Instant(v.now))
		}
	}
	return "until " + stamp.Instant(v.verdict.NotAfter), nil
}

func (v *verification) checkTestCA() (string, *pki.Refusal) {
	if !v.t.cfg.Production {
		return "not a production store", nil
	}
	for i, c := range v.path.certs[1:] {
		if isTestCA(c) {
			return "", v.refuse(i+1, pki.TestCA, "%s", v.t.testCARefused())
		}
	}
	return "none", nil
}

// testCARefused is what an operator meets after a trial, and what to do about it.
func (t *Trust) testCARefused() string {
	do := "enrol with a CA of another name"
	if t.persons != nil {
		do = "name the CAs of cards that are for use"
	}
	return "its name begins with TEST, which production: true refuses; " + do +
		", or, in a trial, say production: false"
}

func isTestCA(c *x509.Certificate) bool { return IsTestName(c.Subject.CommonName) }

// IsTestName reports whether a CA's name says that it is for tests: a trust store for production refuses it.
func IsTestName(name string) bool {
	return strings.HasPrefix(strings.ToUpper(strings.TrimSpace(name)), "TEST")
}

func (v *verification) checkBasicConstraints() (string, *pki.Refusal) {
	for i, c := range v.path.certs {
		if i == 0 {
			continue
		}
		if !c.BasicConstraintsValid || !c.IsCA {
			return "", v.refuse(i, pki.NotCA, "it is no CA and cannot issue")
		}
		if between := i - 1; c.MaxPathLen >= 0 && between > c.MaxPathLen {
			return "", v.refuse(i, pki.NotCA, "its pathLen is %d and %d CAs stand below it", c.MaxPathLen, between)
		}
	}
	if v.leaf().IsCA {
		return "", v.refuse(0, pki.BadCertificate, "it is a CA's certificate, a component's is wanted")
	}
	return "issuers are CAs, the leaf is not", nil
}

func (v *verification) checkKeyUsage() (string, *pki.Refusal) {
	for i, c := range v.path.certs[1:] {
		if c.KeyUsage&x509.KeyUsageCertSign == 0 {
			return "", v.refuse(i+1, pki.KeyUsage, "it lacks keyCertSign and cannot issue")
		}
	}
	usage := v.leaf().KeyUsage
	if usage&x509.KeyUsageDigitalSignature == 0 {
		return "", v.refuse(0, pki.KeyUsage, "it lacks digitalSignature")
	}
	if usage&(x509.KeyUsageCertSign|x509.KeyUsageCRLSign) != 0 {
		return "", v.refuse(0, pki.KeyUsage, "it has a CA's key usage, want digitalSignature")
	}
	return "digitalSignature", nil
}

// smartcardLogon is tolerated beside clientAuth in the certificates of persons (role admin).
var smartcardLogon = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 2}

func (v *verification) checkExtKeyUsage() (string, *pki.Refusal) {
	for i, c := range v.below() {
		if slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny) {
			return "", v.refuse(i, pki.AnyExtKeyUsage, "it allows any extended key usage, which is never accepted")
		}
		if i > 0 && len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) > 0 && !slices.Contains(c.ExtKeyUsage, v.want.Usage) {
			return "", v.refuse(i, pki.ExtKeyUsage, "it may not issue for %s", describe.Usage(v.want.Usage))
		}
	}
	leaf := v.leaf()
	if !slices.Equal(leaf.ExtKeyUsage, []x509.ExtKeyUsage{v.want.Usage}) || !v.tolerates(leaf.UnknownExtKeyUsage) {
		return "", v.refuse(0, pki.ExtKeyUsage, "its extended key usage is %s, want %s alone", describe.Usages(leaf),
			describe.Usage(v.want.Usage))
	}
	return describe.Usage(v.want.Usage), nil
}

func (v *verification) tolerates(unknown []asn1.ObjectIdentifier) bool {
	id, _ := pki.IdentityOf(v.leaf())
	person := id.Role == pki.RoleAdmin && v.want.Usage == x509.ExtKeyUsageClientAuth
	return len(unknown) == 0 || person && onlyLogon(unknown)
}

func onlyLogon(usages []asn1.ObjectIdentifier) bool {
	return !slices.ContainsFunc(usages, func(oid asn1.ObjectIdentifier) bool { return !oid.Equal(smartcardLogon) })
}

func (v *verification) checkExtensions() (string, *pki.Refusal) {
	for i, c := range v.path.certs {
		if len(c.UnhandledCriticalExtensions) > 0 {
			return "", v.refuse(i, pki.BadCertificate, "it has the critical extension %v, which is unknown here",
				c.UnhandledCriticalExtensions[0])
		}
		if rfc5280.HasUnknownQualifier(c) {
			return "", v.refuse(i, pki.BadCertificate,
				"its certificate policies are critical and have a qualifier that is unknown here")
		}
	}
	return "no unknown critical one", nil
}

func (v *verification) checkPolicy() (string, *pki.Refusal) {
	for i, c := range v.below() {
		if len(c.Policies) == 0 {
			return "", v.refuse(i, pki.Policy, "it names no certificate policy")
		}
	}
	if v.want.Policy.Demands() {
		return fromRFC(rfc5280.Path.Policies)(v)
	}
	return v.leaf().Policies[0].String(), nil
}

func (v *verification) checkIdentity() (string, *pki.Refusal) {
	id, err := pki.IdentityOf(v.leaf())
	if err != nil {
		return "", v.refuse(0, pki.BadIdentity, "%v", describe.Cut(err.Error(), 200))
	}
	v.verdict.Identity = id
	return id.String(), nil
}

func (v *verification) checkNameSpace() (string, *pki.Refusal) {
	for _, p := range v.path.anchor.Practices {
		if p == "*" || p == v.verdict.Identity.Practice {
			return "the anchor vouches for " + p, nil
		}
	}
	return "", v.refuse(0, pki.NameSpace, "anchor %s does not vouch for practice %s",
		describe.Name(v.path.anchor.Cert.Subject.CommonName), v.verdict.Identity.Practice)
}

func (v *verification) checkRole() (string, *pki.Refusal) {
	role := v.verdict.Identity.Role
	if len(v.want.Roles) > 0 && !slices.Contains(v.want.Roles, role) {
		return "", v.refuse(0, pki.WrongRole, "its role is %s, want %v", role, v.want.Roles)
	}
	return string(role), nil
}

func (v *verification) checkPeer() (string, *pki.Refusal) {
	if v.want.Identity != (pki.Identity{}) && v.want.Identity != v.verdict.Identity {
		return "", v.refuse(0, pki.WrongPeer, "want %s and no other", v.want.Identity)
	}
	return wanted(v.want.Identity.String()), nil
}

func (v *verification) checkPractice() (string, *pki.Refusal) {
	practice := v.verdict.Identity.Practice
	if v.want.Practice != "" && v.want.Practice != practice {
		return "", v.refuse(0, pki.WrongPractice, "its practice is %s, want %s", practice, v.want.Practice)
	}
	return wanted(v.want.Practice), nil
}

func (v *verification) checkDNSName() (string, *pki.Refusal) {
	if v.want.DNSName == "" {
		return wanted(""), nil
	}
	if err := v.leaf().VerifyHostname(v.want.DNSName); err != nil {
		return "", v.refuse(0, pki.NameMismatch, "%v", describe.Cut(err.Error(), 200))
	}
	return v.want.DNSName, nil
}

func wanted(s string) string {
	if s == "" {
		return "any will do"
	}
	return s
}

// checkX509 lets crypto/x509 judge the same path: a second opinion, and the rest of RFC 5280 (name constraints, policy
// mappings).
func (v *verification) checkX509() (string, *pki.Refusal) {
	key := keyOfPath(v.path.certs, v.want.Usage)
	if v.t.links.agreed.Has(key) {
		return x509Agrees, nil
	}
	roots, middle := x509.NewCertPool(), x509.NewCertPool()
	certs := v.path.certs
	if v.t.cfg.Profile == RFC5280 {
		certs = rfc5280.SecondOpinion(certs)
	}
	roots.AddCert(certs[len(certs)-1])
	for _, c := range certs[1 : len(certs)-1] {
		middle.AddCert(c)
	}
	_, err := certs[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: middle, CurrentTime: v.now, KeyUsages: []x509.ExtKeyUsage{v.want.Usage},
	})
	if err != nil {
		return "", v.refuse(0, x509Reason(err), "%v", describe.Cut(err.Error(), 200))
	}
	v.t.links.agreed.Add(key)
	return x509Agrees, nil
}

const x509Agrees = "crypto/x509 agrees"

func x509Reason(err error) pki.Reason {
	var invalid x509.CertificateInvalidError
	if !errors.As(err, &invalid) {
		return pki.BadCertificate
	}
	switch invalid.Reason {
	case x509.CANotAuthorizedForThisName, x509.UnconstrainedName, x509.TooManyConstraints:
		return pki.NameSpace
	case x509.NotAuthorizedToSign, x509.TooManyIntermediates:
		return pki.NotCA
	case x509.IncompatibleUsage, x509.CANotAuthorizedForExtKeyUsage:
		return pki.ExtKeyUsage
	case x509.NoValidChains:
		return pki.Policy
	}
	return pki.BadCertificate
}

// checkRevocation goes from the anchor down: what a CA says is worth something only if it is not revoked itself.
func (v *verification) checkRevocation() (string, *pki.Refusal) {
	if v.t.cfg.NoRevocation || v.issued {
		return "not checked, as asked", nil
	}
	var sources []string
	for _, ca := range v.path.certs[1:] {
		v.t.Learn(ca)
	}
	for i, c := range slices.Backward(v.below()) {
		found, refusal := v.t.Status(v.question(i))
		if refusal == nil && i == 0 {
			refusal = v.checkStapled(found)
		}
		if v.kept.overlooks(refusal) {
			continue
		}
		if refusal != nil {
			full := v.refuse(i, refusal.Reason, "%s", refusal.Detail)
			if refusal.Subject != "" {
				full.Subject = refusal.Subject + " for " + v.subject(i)
			}
			return "", full
		}
		v.verdict.Revocation = append(v.verdict.Revocation, found)
		sources = append(sources, statusWords(found, c))
	}
	slices.Reverse(v.verdict.Revocation)
	return strings.Join(sources, ", "), nil
}

func (v *verification) question(i int) revocation.Question {
	q := revocation.Question{Issuer: v.path.certs[i+1], Cert: v.path.certs[i], CA: i > 0, Now: v.now, Online: v.online}
	if v.kept != nil {
		q.Now = v.t.moment()
	}
	if v.t.cfg.Profile == RFC5280 {
		q.CA = q.CA || q.Cert.IsCA
		q.OtherKeys = v.otherKeys(i + 1)
	}
	if i == 0 {
		q.Staple = v.staple
	}
	return q
}

// checkStapled obeys RFC 7633: a peer whose certificate, or CA, promises a stapled answer must staple a good one.
func (v *verification) checkStapled(found pki.Revocation) *pki.Refusal {
	if !v.handshake || !slices.ContainsFunc(v.below(), mustStaple) || found.Kind == pki.SourceStaple {
		return nil
	}
	if len(v.staple) == 0 {
		return &pki.Refusal{Reason: pki.StapleMissing,
			Detail: "its certificate demands a stapled OCSP answer (RFC 7633), and it sent none"}
	}
	return v.t.CheckStaple(v.question(0))
}

// linkCache remembers what never changes: which key signed which certificate, and which paths crypto/x509 agrees with
// (without their dates, which are checked each time). A peer that comes back, or is checked again, costs a hash instead
// of a signature.
type linkCache struct {
	cas    certutil.Signatures // on certificates of CAs
	leaves certutil.Signatures // on leaves
	agreed certutil.Set        // paths and usages
}

// maxLeaves is how many leaves are remembered: enough for a busy gateway, in a few megabytes.
const maxLeaves = 32 << 10

func newLinkCache() linkCache {
	return linkCache{leaves: certutil.Signatures{Set: certutil.Set{Max: maxLeaves}},
		agreed: certutil.Set{Max: maxLeaves}}
}

func (l *linkCache) check(child, issuer *x509.Certificate, ca bool) error {
	if ca {
		return l.cas.Check(child, issuer)
	}
	return l.leaves.Check(child, issuer)
}

// keyOfPath returns a digest of a path and what it is used for.
func keyOfPath(path []*x509.Certificate, usage x509.ExtKeyUsage) [sha256.Size]byte {
	parts := [][]byte{{byte(usage)}}
	for _, c := range path {
		parts = append(parts, c.Raw)
	}
	return certutil.Sum256(parts...)
}

func earliestEnd(certs []*x509.Certificate) time.Time {
	end := certs[0].NotAfter
	for _, c := range certs[1:] {
		if c.NotAfter.Before(end) {
			end = c.NotAfter
		}
	}
	return end
}

// statusWords describes what a certificate's status rests on, for people.
func statusWords(r pki.Revocation, c *x509.Certificate) string {
	if r.Kind == pki.SourceCRL {
		return fmt.Sprintf("%s is not on CRL %s (number %s, until %s)", describe.Name(c.Subject.CommonName), r.Source,
			r.Number, stamp.Instant(r.NextUpdate))
	}
	return fmt.Sprintf("%s is good by %s (%s, until %s)", describe.Name(c.Subject.CommonName), r.Source, r.Kind,
		stamp.Instant(r.NextUpdate))
}
