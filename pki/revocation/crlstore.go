package revocation

import (
	"crypto/x509"
	"maps"
	"slices"
	"sync/atomic"

	"tlagate/internal/der"
	"tlagate/pki"
	"tlagate/pki/crl"
)

// crlStore has the lists at hand and the sources that they come from.
type crlStore struct {
	*shared
	deny     *denyList
	numbers  *numbers
	sources  []*source
	received *source // ARLs of status records; one of sources
	snap     atomic.Pointer[snapshot]
	fresh    string // which CRLs were in date at the last comparison; mu protects it
}

// snapshot is the revocation data of one moment; it never changes once published.
type snapshot struct {
	crls   []*crl.List
	broken []*pki.Refusal // of the sources that had nothing usable at their last read
}

// publish makes a new snapshot of what the sources have.
func (t *crlStore) publish() {
	t.mu.Lock()
	defer t.mu.Unlock()
	next := &snapshot{}
	for _, s := range t.sources {
		crls, broken := s.lists()
		next.crls = append(next.crls, crls...)
		if broken != nil && len(crls) == 0 {
			next.broken = append(next.broken, broken)
		}
	}
	last := t.snap.Swap(next)
	if !slices.Equal(last.crls, next.crls) || len(last.broken) != len(next.broken) {
		t.fresh = t.dates(next)
		t.notify()
	}
}

// noticeDates announces a change when other CRLs are in date than at the last comparison.
func (t *crlStore) noticeDates() {
	t.mu.Lock()
	defer t.mu.Unlock()
	snap := t.snap.Load()
	if fresh := t.dates(snap); fresh != t.fresh {
		t.fresh = fresh
		t.notify()
	}
}

func (t *crlStore) dates(snap *snapshot) string {
	now := t.now()
	state := make([]byte, len(snap.crls))
	for i, c := range snap.crls {
		state[i] = '+'
		if c.CheckFuture(now) != nil || c.CheckStale(now) != nil {
			state[i] = '-'
		}
	}
	return string(state)
}

// judgeAsRead judges a CRL as it is read, without a certificate to look up and without its dates. It returns nil when
// the CRL is good, or when its CA is not known yet: then the first verification that needs it judges it.
func (t *crlStore) judgeAsRead(c *crl.List) *pki.Refusal {
	if refusal := c.CheckForm(); refusal != nil {
		return refusal
	}
	var last *pki.Refusal
	for _, ca := range t.knownCAs(c.Head.RawIssuer) {
		refusal := c.CheckIssuer(ca)
		if refusal == nil {
			refusal = t.numbers.check(ca, c)
		}
		if refusal == nil {
			return nil
		}
		if last == nil || last.Reason == pki.CRLWrongIssuer {
			last = refusal
		}
	}
	return last
}

// merge returns what a source has after new lists were read, and why new lists were refused or are doubtful. Each old
// list stays until a good one with no lower number replaces it, and a bad new list is refused when a good old one is at
// hand.
func (t *crlStore) merge(old, read []*crl.List) (merged []*crl.List, refusals []*pki.Refusal) {
	old = slices.DeleteFunc(slices.Clone(old), func(o *crl.List) bool { return t.judgeAsRead(o) != nil })
	for _, n := range read {
		refusal := t.judgeAsRead(n)
		i := slices.IndexFunc(old, n.Replaces)
		if refusal == nil {
			older := func(o *crl.List) bool { return n.SameSeries(o) && n.Number().Cmp(o.Number()) >= 0 }
			old = slices.DeleteFunc(old, older)
		}
		if refusal != nil && i >= 0 {
			refusals = append(refusals, refusal)
			continue
		}
		if i < 0 && len(old) > 0 && !t.knowsCA(n.Head.RawIssuer) {
			refusals = append(refusals, n.Refuse(pki.CRLWrongIssuer,
				"that CA is not known here, and another CA's list was in this place before"))
		}
		merged = append(merged, n)
	}
	return append(merged, old...), refusals
}

// forgetListed removes from the deny list the certificates that are on a good CRL by now, so that it does not grow for
// ever. CRL numbers do not go back, so a later CRL has them too, until they end or are released from hold.
func (t *crlStore) forgetListed() {
	lists := slices.DeleteFunc(slices.Clone(t.snap.Load().crls), func(c *crl.List) bool { return !t.reliable(c) })
	t.deny.mu.Lock()
	defer t.deny.mu.Unlock()
	before := len(t.deny.pushed)
	maps.DeleteFunc(t.deny.pushed, func(k deniedKey, d Denied) bool {
		return slices.ContainsFunc(lists, func(c *crl.List) bool {
			_, listed := c.Find([]byte(k.serial))
			return listed && string(c.Head.AuthorityKeyId) == k.issuer
		})
	})
	if len(t.deny.pushed) != before {
		t.deny.altered()
	}
}

// reliable reports whether a CRL is complete, in date, and from a CA known to be good.
func (t *crlStore) reliable(c *crl.List) bool {
	now := t.now()
	return len(c.Scope.Raw) == 0 && t.knowsCA(c.Head.RawIssuer) && t.judgeAsRead(c) == nil &&
		c.CheckFuture(now) == nil && c.CheckStale(now) == nil
}

// checkCritical refuses, in the profile RFC5280, lists that mark as critical what must not be critical by sections
// 5.2.1 and 5.2.3.
func (t *crlStore) checkCritical(c *crl.List) *pki.Refusal {
	if !t.cfg.RFC5280 {
		return nil
	}
	for _, e := range c.Head.Extensions {
		if e.Critical && (e.Id.Equal(der.AuthorityKeyIdentifier) || e.Id.Equal(der.CRLNumber)) {
			return c.Refuse(pki.CRLBad, "its extension %v is marked critical, which RFC 5280 forbids", e.Id)
		}
	}
	return nil
}

// checkScope refuses a CRL that does not cover a certificate. The profile RFC5280 knows distribution points by
// directory names too.
func (t *crlStore) checkScope(c *crl.List, cert *x509.Certificate, ca bool) *pki.Refusal {
	named := t.cfg.RFC5280 && c.Scope.NamedBy(cert)
	if err := c.Scope.Covers(cert, ca, named); err != nil {
		return c.Refuse(pki.CRLBad, "%v", err)
	}
	return nil
}
