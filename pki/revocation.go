package pki

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"maps"
	"slices"
	"time"
)

// snapshot is the revocation data of one moment; it never changes once published.
type snapshot struct {
	crls   []*crl
	broken []*Refusal // sources that gave nothing usable at their last read
}

// The kinds of source that a certificate's status comes from, in Revocation.Kind.
const (
	SourceCRL    = "crl"    // a revocation list
	SourceOCSP   = "ocsp"   // a responder, asked just now
	SourceStaple = "staple" // the peer's own handshake
	SourceStatus = "status" // a status record, through a gateway
	SourceCache  = "cache"  // an OCSP answer of before, still in date
)

// question asks for the status of one certificate of a path, whose signature is known to be good.
type question struct {
	issuer, cert *x509.Certificate
	ca           bool // it is a CA's
	now          time.Time
	staple       []byte              // what the peer stapled for it in this handshake
	online       bool                // responders may be asked, and waited for
	otherKeys    []*x509.Certificate // of the issuer, from the path above: its CRL may be signed with one of them
}

func (q question) about() about { return aboutCert(q.issuer, q.cert) }

// revoked words a revocation.
func (q question) revoked(format string, args ...any) *Refusal {
	reason := Revoked
	if q.ca {
		reason = CARevoked
	}
	return &Refusal{Reason: reason, Detail: fmt.Sprintf(format, args...)}
}

// status finds out whether a certificate is good, and from what. What revokes wins, whatever else is said: the deny
// list and the CRLs are at hand and looked at first. Of what says "good", the first source in the order staple, cache,
// OCSP, answers of before a restart, CRL decides. Fail closed: nothing acceptable, no acceptance.
func (t *Trust) status(q question) (Revocation, *Refusal) {
	t.answers.use(t, q)
	if refusal := t.denied(q); refusal != nil {
		return Revocation{}, refusal
	}
	list := t.fromCRL(q)
	if list.revoked != nil {
		return Revocation{}, list.revoked
	}
	var tried []*Refusal
	for _, source := range []func(question) (*answer, string, *Refusal){t.fromStaple, t.fromMemory, t.fromResponders, t.fromKept} {
		a, kind, refusal := source(q)
		switch {
		case a != nil:
			return a.judge(q, kind)
		case refusal != nil:
			tried = append(tried, refusal)
		}
	}
	if list.used != nil {
		return list.used.forCertificate(q.cert), nil
	}
	return Revocation{}, nothingFound(tried, list.refusal)
}

// nothingFound words why no source would do, and names them all. The reason is that of the best thing there was: a CRL of that
// CA, else an OCSP answer that is not good enough, else what became of asking.
func nothingFound(tried []*Refusal, list *Refusal) *Refusal {
	if len(tried) == 0 {
		return list
	}
	chosen := *list
	if list.Reason == CRLMissing {
		chosen = *tried[len(tried)-1]
		if i := slices.IndexFunc(tried, func(r *Refusal) bool { return r.Reason != OCSPMissing && r.Reason != OCSPError }); i >= 0 {
			chosen = *tried[i]
		}
	}
	for _, other := range append(tried, list) {
		if other.Error() != chosen.Error() {
			chosen.Detail += "; " + bounded(other.Error(), 300)
		}
	}
	return &chosen
}

// listing is what the CRLs say of a certificate.
type listing struct {
	used    *crl     // the acceptable CRL it is not on; nil = none
	revoked *Refusal // it is on one
	refusal *Refusal // why there is no acceptable one
}

func (t *Trust) fromCRL(q question) listing {
	list := t.fromCRLOf(q)
	for _, other := range q.otherKeys {
		if list.revoked != nil {
			break
		}
		o := q
		o.issuer = other
		if more := t.fromCRLOf(o); more.revoked != nil || list.used == nil && more.used != nil {
			list = more
		}
	}
	return list
}

func (t *Trust) fromCRLOf(q question) listing {
	used, refusal := t.bestCRL(q.issuer, q.cert, q.ca, q.now)
	if refusal != nil {
		return listing{revoked: t.onStale(q, refusal), refusal: refusal}
	}
	if found, on := used.find(trimZeros(q.cert.SerialNumber.Bytes())); on {
		return listing{revoked: q.revoked("%v, says %v", found, used)}
	}
	return listing{used: used, revoked: t.onDelta(q)}
}

// onStale looks for the certificate on stale CRLs of its issuer: what they revoke stays revoked, but for a hold.
func (t *Trust) onStale(q question, refusal *Refusal) *Refusal {
	if refusal.Reason != CRLStale {
		return nil
	}
	for _, c := range t.snap.Load().crls {
		if !bytes.Equal(c.list.RawIssuer, q.issuer.RawSubject) || c.checkIssuer(q.issuer) != nil || t.checkScope(c, q.cert, q.ca) != nil {
			continue
		}
		if found, on := c.find(trimZeros(q.cert.SerialNumber.Bytes())); on && found.reason != reasonHold {
			return q.revoked("%v, says %v", found, c)
		}
	}
	return nil
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
		func() *Refusal { return t.checkCritical(c) },
		func() *Refusal { return t.numbers.check(issuer, c) },
		func() *Refusal { return c.checkFuture(now) },
		func() *Refusal { t.recordNumber(issuer, c); return c.checkStale(now) },
		func() *Refusal { return t.checkScope(c, cert, ca) },
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
	return &Refusal{Reason: CRLMissing, Detail: fmt.Sprintf("no CRL of %s is at hand, nor a good OCSP answer", describeCA(issuer))}
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

// allCAs gives the trusted CAs.
func (t *Trust) allCAs() []*x509.Certificate {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Collect(maps.Values(t.cas))
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
