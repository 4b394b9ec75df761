package revocation

import (
	"bytes"
	"crypto"
	"crypto/subtle"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"tlagate/internal/address"
	"tlagate/internal/der"
	"tlagate/internal/stamp"
	"tlagate/pki"
	"tlagate/pki/crl"
	"tlagate/pki/internal/certutil"
	"tlagate/pki/internal/describe"
)

// Octets of a nonce (RFC 9654): what we send, and what an answer may have.
const (
	nonceSize    = 32
	minNonceSize = 16
	maxNonceSize = 128
)

// answer is an OCSP answer of an authorised signer about one certificate; it never changes. Its dates are judged at
// each use.
type answer struct {
	single
	origin origin
	der    []byte            // the whole OCSPResponse
	signer *x509.Certificate // to which the CA has delegated; nil = the CA itself
}

// origin says where an answer comes from.
type origin struct {
	kind  string // SourceOCSP, SourceStaple, SourceStatus
	where string // URL, when there is one
}

// String returns a description that serves as a refusal's subject.
func (o origin) String() string {
	switch o.kind {
	case pki.SourceStaple:
		return "stapled OCSP answer"
	case pki.SourceStatus:
		return "OCSP answer of a status record"
	}
	return "OCSP answer of " + describe.Cut(address.Shown(o.where), 100)
}

func (o origin) refuse(r pki.Reason, format string, args ...any) *pki.Refusal {
	return &pki.Refusal{Reason: r, Subject: o.String(), Detail: fmt.Sprintf(format, args...)}
}

// about is a certificate as OCSP names it.
type about struct {
	issuer *x509.Certificate
	serial []byte // big-endian, without leading zeros
}

func aboutCert(issuer, cert *x509.Certificate) about {
	return about{issuer, certutil.TrimZeros(cert.SerialNumber.Bytes())}
}

// believe verifies everything about an answer that does not change with time: form, certID, nonce, signer, signature.
// nonce is what was sent; nil = none.
func (t *ocspClient) believe(a *ocspAnswer, from origin, who about, nonce []byte,
	now time.Time) (*answer, *pki.Refusal) {
	said, refusal := a.find(from, who)
	if refusal == nil {
		refusal = a.checkForm(from, said, now)
	}
	if refusal == nil {
		refusal = a.checkNonce(from, nonce)
	}
	if refusal != nil {
		return nil, refusal
	}
	signer, refusal := t.signerOf(a, from, who.issuer, now)
	if refusal != nil {
		return nil, refusal
	}
	return &answer{*said, from, a.der, signer}, nil
}

// find returns what the answer says about a certificate; when it says several things, the worst.
func (a *ocspAnswer) find(from origin, who about) (*single, *pki.Refusal) {
	var found *single
	for i := range a.singles {
		s := &a.singles[i]
		if s.id.names(who.issuer, who.serial) && (found == nil || s.worse(found)) {
			found = s
		}
	}
	if found == nil {
		return nil, from.refuse(pki.OCSPWrongCertificate, "it speaks of %d certificates, none of them serial %x of %s",
			len(a.singles), who.serial, describe.CA(who.issuer))
	}
	return found, nil
}

func (s *single) worse(o *single) bool {
	rank := []int{statusGood: 0, statusUnknown: 1, statusRevoked: 2}
	if rank[s.status] != rank[o.status] {
		return rank[s.status] > rank[o.status]
	}
	return s.nextUpdate.Before(o.nextUpdate)
}

func (a *ocspAnswer) checkForm(from origin, s *single, now time.Time) *pki.Refusal {
	switch {
	case a.problem != "":
		return from.refuse(pki.OCSPBad, "%s", a.problem)
	case s.problem != "":
		return from.refuse(pki.OCSPBad, "%s", s.problem)
	case s.nextUpdate.IsZero():
		return from.refuse(pki.OCSPBad, "it has no nextUpdate, so that it would never be stale")
	case s.nextUpdate.Before(s.thisUpdate):
		return from.refuse(pki.OCSPBad, "it ends before it begins")
	case a.producedAt.Add(certutil.ClockSkew).Before(s.thisUpdate):
		return from.refuse(pki.OCSPBad, "it was produced at %s, before its thisUpdate, %s",
			stamp.Instant(a.producedAt), stamp.Instant(s.thisUpdate))
	case a.producedAt.After(now.Add(certutil.ClockSkew)):
		return from.refuse(pki.OCSPFuture, "it was produced at %s and it is %s here", stamp.Instant(a.producedAt),
			stamp.Instant(now))
	}
	return nil
}

// checkNonce refuses an answer without the nonce that was sent. If none was sent, the answer may have another's nonce,
// as a staple does.
func (a *ocspAnswer) checkNonce(from origin, sent []byte) *pki.Refusal {
	switch n := len(a.nonce); {
	case a.nonce != nil && (n < minNonceSize || n > maxNonceSize):
		return from.refuse(pki.OCSPNonce, "its nonce has %d octets, want %d to %d", n, minNonceSize, maxNonceSize)
	case sent == nil:
		return nil
	case a.nonce == nil:
		return from.refuse(pki.OCSPNonce,
			"it does not have the nonce that was sent; set nonce: false for responders that answer from a store")
	case subtle.ConstantTimeCompare(a.nonce, sent) != 1:
		return from.refuse(pki.OCSPNonce, "its nonce is not the one that was sent")
	}
	return nil
}

// signerOf returns the certificate of the authorised signer, nil for the CA itself (RFC 6960 section 4.2.2.2).
func (t *ocspClient) signerOf(a *ocspAnswer, from origin, issuer *x509.Certificate,
	now time.Time) (*x509.Certificate, *pki.Refusal) {
	if err := pki.CheckSignatureAlgorithm(a.algorithm); err != nil {
		return nil, from.refuse(pki.OCSPBadSignature, "it is %v", err)
	}
	last := from.refuse(pki.OCSPBadSigner,
		"neither %s nor any certificate in the answer is the responder that it names",
		describe.CA(issuer))
	if a.namesResponder(issuer) {
		if last = a.signedBy(from, issuer); last == nil {
			return nil, nil
		}
	}
	for _, c := range a.certs {
		if !a.namesResponder(c) || c.Equal(issuer) {
			continue
		}
		if last = t.authorised(from, c, issuer, now); last == nil {
			last = a.signedBy(from, c)
		}
		if last == nil {
			return c, nil
		}
	}
	return nil, last
}

func (a *ocspAnswer) namesResponder(c *x509.Certificate) bool {
	if a.name != nil {
		return bytes.Equal(a.name, c.RawSubject)
	}
	bits, err := der.PublicKeyBits(c)
	return err == nil && bytes.Equal(a.keyHash, digest(crypto.SHA1, bits))
}

func (a *ocspAnswer) signedBy(from origin, signer *x509.Certificate) *pki.Refusal {
	if err := signer.CheckSignature(a.algorithm, a.tbs, a.signature); err != nil {
		return from.refuse(pki.OCSPBadSignature, "%s did not sign it: %s", describe.Name(signer.Subject.CommonName),
			describe.Cut(err.Error(), 100))
	}
	return nil
}

// authorised refuses a signer to which the CA has not delegated its answers.
func (t *ocspClient) authorised(from origin, c, issuer *x509.Certificate, now time.Time) *pki.Refusal {
	refuse := func(format string, args ...any) *pki.Refusal {
		return from.refuse(pki.OCSPBadSigner, "its signer %s (serial %s) %s", describe.Name(c.Subject.CommonName),
			describe.Serial(c), fmt.Sprintf(format, args...))
	}
	if !bytes.Equal(c.RawIssuer, issuer.RawSubject) || !certutil.KeyIDsFit(c.AuthorityKeyId, issuer.SubjectKeyId) {
		return refuse("was issued by %s, want the CA that issued the certificate, %s",
			describe.Name(c.Issuer.CommonName), describe.CA(issuer))
	}
	for _, err := range []error{pki.CheckSignatureAlgorithm(c.SignatureAlgorithm), pki.CheckKey(c.PublicKey, now)} {
		if err != nil {
			return refuse("is too weak: %v", err)
		}
	}
	if err := t.links.Check(c, issuer); err != nil {
		return refuse("is not signed by %s: %s", describe.CA(issuer), describe.Cut(err.Error(), 100))
	}
	switch {
	case c.Version != 3 || c.IsCA:
		return refuse("is no end-entity certificate of X.509 v3")
	case !slices.Equal(c.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}) || len(c.UnknownExtKeyUsage) > 0:
		return refuse("has extended key usage %s, want OCSPSigning alone", describe.Usages(c))
	case c.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return refuse("lacks digitalSignature")
	case len(c.UnhandledCriticalExtensions) > 0:
		return refuse("has the critical extension %v, which is unknown here", c.UnhandledCriticalExtensions[0])
	}
	return t.signerStands(from, c, issuer, now)
}

// signerStands makes those checks of a delegated signer whose outcome changes with time. A signer without
// id-pkix-ocsp-nocheck needs a CRL that it is not on: to ask OCSP about it would be to ask itself.
func (t *ocspClient) signerStands(from origin, c, issuer *x509.Certificate, now time.Time) *pki.Refusal {
	refuse := func(format string, args ...any) *pki.Refusal {
		return from.refuse(pki.OCSPBadSigner, "its signer %s (serial %s) %s", describe.Name(c.Subject.CommonName),
			describe.Serial(c), fmt.Sprintf(format, args...))
	}
	q := Question{Issuer: issuer, Cert: c, Now: now}
	if now.Before(c.NotBefore) || now.After(c.NotAfter) {
		return refuse("is valid from %s to %s and it is %s here", stamp.Instant(c.NotBefore), stamp.Instant(c.NotAfter),
			stamp.Instant(now))
	}
	if d := t.deny.denied(q); d != nil {
		return refuse("is denied here: %s", d.Detail)
	}
	list := t.lists.fromCRL(q)
	switch {
	case list.revoked != nil:
		return refuse("is revoked: %s", list.revoked.Detail)
	case list.used == nil && !hasNoCheck(c):
		return refuse("lacks id-pkix-ocsp-nocheck, and no CRL says that it is good: %v", list.refusal)
	}
	return nil
}

func hasNoCheck(c *x509.Certificate) bool {
	_, has := der.Find(c, der.OCSPNoCheck)
	return has
}

// checkDates judges an answer's dates at a time, and what changes with time about its signer.
func (t *ocspClient) checkDates(a *answer, issuer *x509.Certificate, now time.Time) *pki.Refusal {
	if a.thisUpdate.After(now.Add(certutil.ClockSkew)) {
		return a.origin.refuse(pki.OCSPFuture,
			"it begins at %s and it is %s here; set the clock, unless the PKI's is wrong", stamp.Instant(a.thisUpdate),
			stamp.Instant(now))
	}
	if now.After(a.nextUpdate) {
		return a.origin.refuse(pki.OCSPStale, "it ended at %s and it is %s here", stamp.Instant(a.nextUpdate),
			stamp.Instant(now))
	}
	if a.signer == nil {
		return nil
	}
	return t.signerStands(a.origin, a.signer, issuer, now)
}

// final reports whether an answer revokes for good: only certificateHold can be lifted.
func (a *answer) final() bool { return a.status == statusRevoked && a.reason != crl.ReasonHold }
