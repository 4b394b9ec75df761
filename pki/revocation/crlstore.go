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

// crlStore is the lists at hand and the sources that they come from.
type crlStore struct {
	*shared
	deny     *denyList
	numbers  *numbers
	sources  []*source
	received *source // ARLs of status records; one of sources
	snap     atomic.Pointer[snapshot]
	fresh    string // which CRLs were in date at the last look; mu protects it
}

// snapshot is the revocation data of one moment; it never changes once published.
type snapshot struct {
	crls   []*crl.List
	broken []*pki.Refusal // sources that gave nothing usable at their last read
}

// publish makes what the sources hold the present snapshot.
func (t *crlStore) publish() {
	t.mu.Lock()
	defer t.mu.Unlock()
	next := &snapshot{}
	for _, s := range t.sources {
		crls, broken := s.holds()
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

// noticeDates compares which CRLs are in date with the last look.
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

// standing judges a CRL as it is read, without a certificate to check and without its dates: nil when it is good, or
// when its CA is not known yet (then the first verification that needs it judges).
func (t *crlStore) standing(c *crl.List) *pki.Refusal {
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

// merge gives what a source holds after new lists were read: each old list stays until a good one with no lower
// number takes its place, and a bad new list is not taken in when a good old one is at hand.
func (t *crlStore) merge(old, read []*crl.List) (merged []*crl.List, said []*pki.Refusal) {
	old = slices.DeleteFunc(slices.Clone(old), func(o *crl.List) bool { return t.standing(o) != nil })
	for _, n := range read {
		refusal := t.standing(n)
		i := slices.IndexFunc(old, n.Replaces)
		if refusal == nil {
			older := func(o *crl.List) bool { return n.SameSeries(o) && n.Number().Cmp(o.Number()) >= 0 }
			old = slices.DeleteFunc(old, older)
		}
		if refusal != nil && i >= 0 {
			said = append(said, refusal)
			continue
		}
		if i < 0 && len(old) > 0 && !t.knowsCA(n.Head.RawIssuer) {
			said = append(said, n.Refuse(pki.CRLWrongIssuer,
				"that CA is not known here, and another's list stood in this place"))
		}
		merged = append(merged, n)
	}
	return append(merged, old...), said
}

// forgetListed takes off the deny list what a good CRL says by now, so that the list does not grow for ever. CRL
// numbers do not go back, so a later one says it too, until the certificate ends or is released from hold.
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

// reliable says whether a CRL is complete, in date, and of a CA known to be good.
func (t *crlStore) reliable(c *crl.List) bool {
	now := t.now()
	return len(c.Scope.Raw) == 0 && t.knowsCA(c.Head.RawIssuer) && t.standing(c) == nil &&
		c.CheckFuture(now) == nil && c.CheckStale(now) == nil
}

// checkCritical refuses, in the profile RFC5280, lists that mark critical what sections 5.2.1 and 5.2.3 say must not
// be.
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

// checkScope says whether a CRL speaks of a certificate at all. The profile RFC5280 knows distribution points by
// directory names too.
func (t *crlStore) checkScope(c *crl.List, cert *x509.Certificate, ca bool) *pki.Refusal {
	named := t.cfg.RFC5280 && c.Scope.NamedBy(cert)
	if err := c.Scope.Covers(cert, ca, named); err != nil {
		return c.Refuse(pki.CRLBad, "%v", err)
	}
	return nil
}
