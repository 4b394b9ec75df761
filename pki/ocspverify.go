package pki

import (
	"bytes"
	"crypto"
	"crypto/subtle"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"tlagate/internal/der"
	"tlagate/internal/stamp"
)

// Nonces (RFC 9654): what we send, and what a nonce in an answer may be.
const (
	nonceSize    = 32
	minNonceSize = 16
	maxNonceSize = 128
)

// answer is an OCSP answer that an authorised signer gave about one certificate; it never changes. Its dates are
// judged at each use.
type answer struct {
	single
	origin origin
	der    []byte            // the whole OCSPResponse
	signer *x509.Certificate // delegated; nil = the CA itself
}

// origin says where an answer comes from.
type origin struct {
	kind  string // SourceOCSP, SourceStaple, SourceStatus
	where string // URL, when there is one
}

// String begins a sentence's subject.
func (o origin) String() string {
	switch o.kind {
	case SourceStaple:
		return "stapled OCSP answer"
	case SourceStatus:
		return "OCSP answer of a status record"
	}
	return "OCSP answer of " + bounded(o.where, 100)
}

func (o origin) refuse(r Reason, format string, args ...any) *Refusal {
	return &Refusal{Reason: r, Subject: o.String(), Detail: fmt.Sprintf(format, args...)}
}

// about is a certificate as OCSP names it.
type about struct {
	issuer *x509.Certificate
	serial []byte // big-endian, without leading zeros
}

func aboutCert(issuer, cert *x509.Certificate) about {
	return about{issuer, trimZeros(cert.SerialNumber.Bytes())}
}

// believe verifies all of an answer that does not change with time: form, certID, nonce, signer, signature. nonce is
// what was sent; nil = none.
func (t *Trust) believe(a *ocspAnswer, from origin, who about, nonce []byte, now time.Time) (*answer, *Refusal) {
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

// find gives what the answer says of a certificate; when it says several things, the worst.
func (a *ocspAnswer) find(from origin, who about) (*single, *Refusal) {
	var found *single
	for i := range a.singles {
		s := &a.singles[i]
		if s.id.names(who.issuer, who.serial) && (found == nil || s.worse(found)) {
			found = s
		}
	}
	if found == nil {
		return nil, from.refuse(OCSPWrongCertificate, "it speaks of %d certificates, none of them serial %x of %s", len(a.singles), who.serial, describeCA(who.issuer))
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

func (a *ocspAnswer) checkForm(from origin, s *single, now time.Time) *Refusal {
	switch {
	case a.problem != "":
		return from.refuse(OCSPBad, "%s", a.problem)
	case s.problem != "":
		return from.refuse(OCSPBad, "%s", s.problem)
	case s.nextUpdate.IsZero():
		return from.refuse(OCSPBad, "it has no nextUpdate: nobody could say when it is stale")
	case s.nextUpdate.Before(s.thisUpdate):
		return from.refuse(OCSPBad, "it ends before it begins")
	case a.producedAt.Add(clockSkew).Before(s.thisUpdate):
		return from.refuse(OCSPBad, "it was produced at %s, before what it says was known at %s", stamp.Instant(a.producedAt), stamp.Instant(s.thisUpdate))
	case a.producedAt.After(now.Add(clockSkew)):
		return from.refuse(OCSPFuture, "it was produced at %s and it is %s here", stamp.Instant(a.producedAt), stamp.Instant(now))
	}
	return nil
}

// checkNonce wants the one that was sent. Without one sent, an answer may carry that of somebody else: a staple.
func (a *ocspAnswer) checkNonce(from origin, sent []byte) *Refusal {
	switch n := len(a.nonce); {
	case a.nonce != nil && (n < minNonceSize || n > maxNonceSize):
		return from.refuse(OCSPNonce, "its nonce has %d octets, want %d to %d", n, minNonceSize, maxNonceSize)
	case sent == nil:
		return nil
	case a.nonce == nil:
		return from.refuse(OCSPNonce, "it does not bring back the nonce that was sent; set nonce: false for responders that answer from a store")
	case subtle.ConstantTimeCompare(a.nonce, sent) != 1:
		return from.refuse(OCSPNonce, "its nonce is not the one that was sent")
	}
	return nil
}

// signerOf gives the certificate of the authorised signer, nil for the CA itself (RFC 6960 section 4.2.2.2).
func (t *Trust) signerOf(a *ocspAnswer, from origin, issuer *x509.Certificate, now time.Time) (*x509.Certificate, *Refusal) {
	if err := CheckSignatureAlgorithm(a.algorithm); err != nil {
		return nil, from.refuse(OCSPBadSignature, "it is %v", err)
	}
	last := from.refuse(OCSPBadSigner, "neither %s nor any certificate in the answer is the responder it names", describeCA(issuer))
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

func (a *ocspAnswer) signedBy(from origin, signer *x509.Certificate) *Refusal {
	if err := signer.CheckSignature(a.algorithm, a.tbs, a.signature); err != nil {
		return from.refuse(OCSPBadSignature, "%s did not sign it: %s", name(signer.Subject.CommonName), bounded(err.Error(), 100))
	}
	return nil
}

// authorised says whether a CA has delegated its answers to the holder of a certificate.
func (t *Trust) authorised(from origin, c, issuer *x509.Certificate, now time.Time) *Refusal {
	refuse := func(format string, args ...any) *Refusal {
		return from.refuse(OCSPBadSigner, "its signer %s (serial %s) %s", name(c.Subject.CommonName), serial(c), fmt.Sprintf(format, args...))
	}
	if !bytes.Equal(c.RawIssuer, issuer.RawSubject) || !keyIDsFit(c.AuthorityKeyId, issuer.SubjectKeyId) {
		return refuse("was issued by %s, want the CA that issued the certificate, %s", name(c.Issuer.CommonName), describeCA(issuer))
	}
	for _, err := range []error{CheckSignatureAlgorithm(c.SignatureAlgorithm), CheckKey(c.PublicKey, now)} {
		if err != nil {
			return refuse("is too weak: %v", err)
		}
	}
	if err := t.links.check(c, issuer, true); err != nil {
		return refuse("is not signed by %s: %s", describeCA(issuer), bounded(err.Error(), 100))
	}
	switch {
	case c.Version != 3 || c.IsCA:
		return refuse("is no end-entity certificate of X.509 v3")
	case !slices.Equal(c.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}) || len(c.UnknownExtKeyUsage) > 0:
		return refuse("has extended key usage %s, want OCSPSigning alone", usageNames(c))
	case c.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return refuse("lacks digitalSignature")
	case len(c.UnhandledCriticalExtensions) > 0:
		return refuse("has the critical extension %v, which is unknown here", c.UnhandledCriticalExtensions[0])
	}
	return t.signerStands(from, c, issuer, now)
}

// signerStands makes those checks of a delegated signer whose outcome changes with time. One without
// id-pkix-ocsp-nocheck must be on no CRL; asking OCSP about it would be asking itself.
func (t *Trust) signerStands(from origin, c, issuer *x509.Certificate, now time.Time) *Refusal {
	refuse := func(format string, args ...any) *Refusal {
		return from.refuse(OCSPBadSigner, "its signer %s (serial %s) %s", name(c.Subject.CommonName), serial(c), fmt.Sprintf(format, args...))
	}
	q := question{issuer: issuer, cert: c, now: now}
	if now.Before(c.NotBefore) || now.After(c.NotAfter) {
		return refuse("is valid from %s to %s and it is %s here", stamp.Instant(c.NotBefore), stamp.Instant(c.NotAfter), stamp.Instant(now))
	}
	if d := t.denied(q); d != nil {
		return refuse("is denied here: %s", d.Detail)
	}
	list := t.fromCRL(q)
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

// checkDates judges an answer's dates now, and its signer's.
func (t *Trust) checkDates(a *answer, issuer *x509.Certificate, now time.Time) *Refusal {
	if a.thisUpdate.After(now.Add(clockSkew)) {
		return a.origin.refuse(OCSPFuture, "it begins at %s and it is %s here; set the clock, unless the PKI's is wrong", stamp.Instant(a.thisUpdate), stamp.Instant(now))
	}
	if now.After(a.nextUpdate) {
		return a.origin.refuse(OCSPStale, "it ended at %s and it is %s here", stamp.Instant(a.nextUpdate), stamp.Instant(now))
	}
	if a.signer == nil {
		return nil
	}
	return t.signerStands(a.origin, a.signer, issuer, now)
}

// final says that an answer revokes for good: only certificateHold is ever taken back.
func (a *answer) final() bool { return a.status == statusRevoked && a.reason != reasonHold }

const reasonHold = 6
