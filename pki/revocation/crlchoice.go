package revocation

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"time"

	"tlagate/pki"
	"tlagate/pki/crl"
	"tlagate/pki/internal/certutil"
	"tlagate/pki/internal/describe"
)

// listing is what the CRLs say about a certificate.
type listing struct {
	used    *crl.List    // the acceptable CRL that it is not on; nil = none
	revoked *pki.Refusal // set if it is on a CRL
	refusal *pki.Refusal // why there is no acceptable CRL
}

func (t *crlStore) fromCRL(q Question) listing {
	list := t.fromCRLOf(q)
	for _, other := range q.OtherKeys {
		if list.revoked != nil {
			break
		}
		o := q
		o.Issuer = other
		if more := t.fromCRLOf(o); more.revoked != nil || list.used == nil && more.used != nil {
			list = more
		}
	}
	return list
}

func (t *crlStore) fromCRLOf(q Question) listing {
	used, refusal := t.bestCRL(q.Issuer, q.Cert, q.CA, q.Now)
	if refusal != nil {
		return listing{revoked: t.onStale(q, refusal), refusal: refusal}
	}
	if found, on := used.Find(certutil.TrimZeros(q.Cert.SerialNumber.Bytes())); on {
		return listing{revoked: q.revoked("%v, says %v", found, used)}
	}
	return listing{used: used, revoked: t.onDelta(q)}
}

// onStale looks for the certificate on stale CRLs of its issuer: what they revoke stays revoked, unless it is a hold.
func (t *crlStore) onStale(q Question, refusal *pki.Refusal) *pki.Refusal {
	if refusal.Reason != pki.CRLStale {
		return nil
	}
	for _, c := range t.snap.Load().crls {
		if !bytes.Equal(c.Head.RawIssuer, q.Issuer.RawSubject) || c.CheckIssuer(q.Issuer) != nil ||
			t.checkScope(c, q.Cert, q.CA) != nil {
			continue
		}
		if found, on := c.Find(certutil.TrimZeros(q.Cert.SerialNumber.Bytes())); on && found.Reason != crl.ReasonHold {
			return q.revoked("%v, says %v", found, c)
		}
	}
	return nil
}

// bestCRL returns the acceptable CRL with the highest number, or what is wrong with the CRL that passed the most
// checks. A number may seem to go back only because newer lists were published meanwhile: then it judges those.
func (t *crlStore) bestCRL(issuer, cert *x509.Certificate, ca bool, now time.Time) (*crl.List, *pki.Refusal) {
	for {
		snap := t.snap.Load()
		best, refusal := t.bestOf(snap, issuer, cert, ca, now)
		if refusal == nil || refusal.Reason != pki.CRLNumberBack || t.snap.Load() == snap {
			return best, refusal
		}
	}
}

func (t *crlStore) bestOf(snap *snapshot, issuer, cert *x509.Certificate, ca bool,
	now time.Time) (*crl.List, *pki.Refusal) {
	var best *crl.List
	var worst *pki.Refusal
	worstAt := -1
	for _, c := range snap.crls {
		if !bytes.Equal(c.Head.RawIssuer, issuer.RawSubject) {
			continue
		}
		at, refusal := t.judgeCRL(c, issuer, cert, ca, now)
		if refusal == nil && (best == nil || c.Number().Cmp(best.Number()) > 0) {
			best = c
		}
		if refusal != nil && at > worstAt {
			worst, worstAt = refusal, at
		}
	}
	switch {
	case best != nil:
		return best, nil
	case worst != nil:
		return nil, worst
	}
	return nil, t.explainMissing(snap, issuer)
}

// judgeCRL makes the checks of one CRL in order, and returns at which it failed.
func (t *crlStore) judgeCRL(c *crl.List, issuer, cert *x509.Certificate, ca bool, now time.Time) (int, *pki.Refusal) {
	for at, check := range []func() *pki.Refusal{
		func() *pki.Refusal { return c.CheckIssuer(issuer) },
		func() *pki.Refusal { return t.checkCritical(c) },
		func() *pki.Refusal { return t.numbers.check(issuer, c) },
		func() *pki.Refusal { return c.CheckFuture(now) },
		func() *pki.Refusal { t.recordNumber(issuer, c); return c.CheckStale(now) },
		func() *pki.Refusal { return t.checkScope(c, cert, ca) },
	} {
		if refusal := check(); refusal != nil {
			return at, refusal
		}
	}
	return 0, nil
}

func (t *crlStore) recordNumber(issuer *x509.Certificate, c *crl.List) {
	if err := t.numbers.accept(issuer, c); err != nil {
		t.log.Error("CRL number not kept", "error", err)
	}
}

// explainMissing returns why there is no CRL of an issuer: the likeliest cause is a source that cannot be read, then
// one that has the CRL of a CA that is not known here yet.
func (t *crlStore) explainMissing(snap *snapshot, issuer *x509.Certificate) *pki.Refusal {
	if len(snap.broken) > 0 {
		return snap.broken[0]
	}
	for _, c := range snap.crls {
		if !t.knowsCA(c.Head.RawIssuer) {
			return c.Refuse(pki.CRLWrongIssuer, "that CA is not known here; one of %s is wanted", describe.CA(issuer))
		}
	}
	return &pki.Refusal{Reason: pki.CRLMissing, Detail: fmt.Sprintf("no CRL of %s is at hand, nor a good OCSP answer",
		describe.CA(issuer))}
}

// onDelta looks for a certificate on the delta CRLs of its issuer (profile RFC5280). Here they can only revoke: a delta
// that removes an entry of its base is not believed.
func (t *crlStore) onDelta(q Question) *pki.Refusal {
	if !t.cfg.RFC5280 {
		return nil
	}
	for _, c := range t.snap.Load().crls {
		if !c.IsDelta() || !bytes.Equal(c.Head.RawIssuer, q.Issuer.RawSubject) || c.SignedBy(q.Issuer) != nil ||
			c.CheckFuture(q.Now) != nil {
			continue
		}
		if found, on := c.Find(certutil.TrimZeros(q.Cert.SerialNumber.Bytes())); on &&
			found.Reason != crl.ReasonRemove {
			return q.revoked("%v, says delta %v", found, c)
		}
	}
	return nil
}

// goodBy returns the status of a certificate that is not on a list.
func goodBy(c *crl.List, cert *x509.Certificate) pki.Revocation {
	return pki.Revocation{Serial: describe.Serial(cert), Kind: pki.SourceCRL, Source: c.Source,
		Number:     c.Number().String(),
		ThisUpdate: c.Head.ThisUpdate, NextUpdate: c.Head.NextUpdate}
}
