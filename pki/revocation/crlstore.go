package revocation

import (
	"cmp"
	"crypto/x509"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"tlagate/pki"
	"tlagate/pki/crl"
	"tlagate/pki/internal/certutil"
	"tlagate/pki/internal/describe"
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
			old = slices.DeleteFunc(old, func(o *crl.List) bool {
				return n.SameSeries(o) &&
					n.Number().Cmp(o.Number()) >= 0
			})
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
		if e.Critical && (e.Id.Equal(certutil.OIDAKI) || e.Id.Equal(crl.OIDNumber)) {
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

// List is a CRL or ARL at hand, or a source that gives none; for people.
type List struct {
	Source     string // file or URL
	Issuer     string // common name of the CA that it names
	Number     string // CRLNumber, decimal
	Entries    int
	ThisUpdate time.Time
	NextUpdate time.Time
	Ahead      time.Time // when it should have been renewed, as the log would warn
	Err        error     // nil, or a *Refusal: why nothing can be accepted by it now
}

// Lists returns every list at hand, and each source that gives nothing usable. A list in whose place a newer one
// stands, of another source, is left out: nothing depends on it.
func (t *crlStore) Lists() []List {
	snap, now := t.snap.Load(), t.now()
	var all []List
	for _, c := range snap.crls {
		if t.superseded(c, snap.crls) {
			continue
		}
		l := List{Source: c.Source, Issuer: describe.Cut(c.Head.Issuer.CommonName, 64), Number: c.Number().String(),
			Entries: c.Len(), ThisUpdate: c.Head.ThisUpdate, NextUpdate: c.Head.NextUpdate,
			Ahead: t.aheadOf(c.Head.ThisUpdate, c.Head.NextUpdate)}
		if refusal := cmp.Or(t.standing(c), c.CheckFuture(now), c.CheckStale(now)); refusal != nil {
			l.Err = refusal
		}
		all = append(all, l)
	}
	for _, refusal := range snap.broken {
		all = append(all, List{Source: refusal.Subject, Err: refusal})
	}
	return all
}

// superseded reports whether a newer list of the same series is at hand that can be used now.
func (t *crlStore) superseded(c *crl.List, all []*crl.List) bool {
	now := t.now()
	return slices.ContainsFunc(all, func(n *crl.List) bool {
		return n != c && n.SameSeries(c) && n.Number().Cmp(c.Number()) > 0 && t.standing(n) == nil &&
			n.CheckFuture(now) == nil && n.CheckStale(now) == nil
	})
}
