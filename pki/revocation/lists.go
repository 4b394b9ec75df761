package revocation

import (
	"cmp"
	"slices"
	"time"

	"tlagate/pki/internal/describe"
)

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

// Lists returns every list at hand, and each source that gives nothing usable. A list in whose place a newer one stands,
// of another source, is left out: nothing depends on it.
func (t *crlStore) Lists() []List {
	snap, now := t.snap.Load(), t.now()
	var all []List
	for _, c := range snap.crls {
		if t.superseded(c, snap.crls) {
			continue
		}
		l := List{Source: c.source, Issuer: describe.Cut(c.list.Issuer.CommonName, 64), Number: c.number().String(),
			Entries: c.entries.count, ThisUpdate: c.list.ThisUpdate, NextUpdate: c.list.NextUpdate,
			Ahead: t.aheadOf(c.list.ThisUpdate, c.list.NextUpdate)}
		if refusal := cmp.Or(t.standing(c), c.checkFuture(now), c.checkStale(now)); refusal != nil {
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
func (t *crlStore) superseded(c *crl, all []*crl) bool {
	now := t.now()
	return slices.ContainsFunc(all, func(n *crl) bool {
		return n != c && n.sameSeries(c) && n.number().Cmp(c.number()) > 0 && t.standing(n) == nil &&
			n.checkFuture(now) == nil && n.checkStale(now) == nil
	})
}
