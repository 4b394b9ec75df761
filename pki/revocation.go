package pki

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"slices"
	"time"
)

// snapshot is the revocation data of one moment; it never changes once published.
type snapshot struct {
	crls   []*crl
	broken []*Refusal // sources that gave nothing usable at their last read
}

// status says by which CRL cert, issued by issuer, is good. Fail closed: no acceptable CRL, no acceptance.
func (t *Trust) status(issuer, cert *x509.Certificate, ca bool, now time.Time) (*crl, *Refusal) {
	used, refusal := t.bestCRL(issuer, cert, ca, now)
	if refusal != nil {
		return nil, refusal
	}
	found, revoked := used.entries.find(trimZeros(cert.SerialNumber.Bytes()))
	if !revoked {
		return used, nil
	}
	reason := Revoked
	if ca {
		reason = CARevoked
	}
	return nil, &Refusal{Reason: reason, Detail: fmt.Sprintf("%v, says %v", found, used)}
}

// bestCRL gives the acceptable CRL with the highest number, or says what is wrong with the one that came furthest.
// A number may seem to go back only because newer lists were published meanwhile: then it looks at those.
func (t *Trust) bestCRL(issuer, cert *x509.Certificate, ca bool, now time.Time) (*crl, *Refusal) {
	for {
		snap := t.snap.Load()
		best, refusal := t.bestOf(snap, issuer, cert, ca, now)
		if refusal == nil || refusal.Reason != CRLNumberBack || t.snap.Load() == snap {
			return best, refusal
		}
	}
}

func (t *Trust) bestOf(snap *snapshot, issuer, cert *x509.Certificate, ca bool, now time.Time) (*crl, *Refusal) {
	var best *crl
	var worst *Refusal
	worstAt := -1
	for _, c := range snap.crls {
		if !bytes.Equal(c.list.RawIssuer, issuer.RawSubject) {
			continue
		}
		at, refusal := t.judgeCRL(c, issuer, cert, ca, now)
		if refusal == nil && (best == nil || c.number().Cmp(best.number()) > 0) {
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

// judgeCRL makes the checks of one CRL in order, and says at which it failed.
func (t *Trust) judgeCRL(c *crl, issuer, cert *x509.Certificate, ca bool, now time.Time) (int, *Refusal) {
	for at, check := range []func() *Refusal{
		func() *Refusal { return c.checkIssuer(issuer) },
		func() *Refusal { return t.numbers.check(issuer, c) },
		func() *Refusal { return c.checkFuture(now) },
		func() *Refusal { t.recordNumber(issuer, c); return c.checkStale(now) },
		func() *Refusal { return c.checkScope(cert, ca) },
	} {
		if refusal := check(); refusal != nil {
			return at, refusal
		}
	}
	return 0, nil
}

func (t *Trust) recordNumber(issuer *x509.Certificate, c *crl) {
	if err := t.numbers.accept(issuer, c); err != nil {
		t.log.Error("CRL number not kept", "err", err)
	}
}

// explainMissing says why there is no CRL of an issuer: the likeliest cause is a source that cannot be read,
// then one that holds the CRL of a CA nobody here knows yet.
func (t *Trust) explainMissing(snap *snapshot, issuer *x509.Certificate) *Refusal {
	if len(snap.broken) > 0 {
		return snap.broken[0]
	}
	for _, c := range snap.crls {
		if !t.knowsCA(c.list.RawIssuer) {
			return c.refuse(CRLWrongIssuer, "that CA is not known here; one of %s is wanted", describeCA(issuer))
		}
	}
	return &Refusal{Reason: CRLMissing, Detail: fmt.Sprintf("no CRL of %s is at hand", describeCA(issuer))}
}

// learn remembers a CA whose path to an anchor has been verified, so that a new CRL of it can be judged when read.
func (t *Trust) learn(ca *x509.Certificate) {
	key := sha256.Sum256(ca.Raw)
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, known := t.cas[key]; known || len(t.cas) >= maxRemembered {
		return
	}
	t.cas[key] = ca
}

func (t *Trust) knowsCA(rawSubject []byte) bool { return len(t.knownCAs(rawSubject)) > 0 }

// knownCAs gives the trusted CAs of a name.
func (t *Trust) knownCAs(rawSubject []byte) []*x509.Certificate {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []*x509.Certificate
	for _, ca := range t.cas {
		if bytes.Equal(ca.RawSubject, rawSubject) {
			list = append(list, ca)
		}
	}
	return list
}

// standing judges a CRL as it is read, without a certificate to check and without its dates: nil when it is good, or
// when its CA is not known yet (then the first verification that needs it judges).
func (t *Trust) standing(c *crl) *Refusal {
	if c.problem != "" {
		return c.refuse(CRLBad, "%s", c.problem)
	}
	var last *Refusal
	for _, ca := range t.knownCAs(c.list.RawIssuer) {
		refusal := c.checkIssuer(ca)
		if refusal == nil {
			refusal = t.numbers.check(ca, c)
		}
		if refusal == nil {
			return nil
		}
		if last == nil || last.Reason == CRLWrongIssuer {
			last = refusal
		}
	}
	return last
}

// merge gives what a source holds after new lists were read: each old list stays until a good one with no lower
// number takes its place, and a bad new list is not taken in when a good old one is at hand.
func (t *Trust) merge(old, read []*crl) (merged []*crl, said []*Refusal) {
	old = slices.DeleteFunc(slices.Clone(old), func(o *crl) bool { return t.standing(o) != nil })
	for _, n := range read {
		refusal := t.standing(n)
		i := slices.IndexFunc(old, n.replaces)
		if refusal == nil {
			old = slices.DeleteFunc(old, func(o *crl) bool { return n.sameSeries(o) && n.number().Cmp(o.number()) >= 0 })
		}
		if refusal != nil && i >= 0 {
			said = append(said, refusal)
			continue
		}
		if i < 0 && len(old) > 0 && !t.knowsCA(n.list.RawIssuer) {
			said = append(said, n.refuse(CRLWrongIssuer, "that CA is not known here, and another's list stood in this place"))
		}
		merged = append(merged, n)
	}
	return append(merged, old...), said
}

// replaces says whether c comes in o's place: both are lists of one CA name.
func (c *crl) replaces(o *crl) bool { return bytes.Equal(c.list.RawIssuer, o.list.RawIssuer) }
