package revocation

import (
	"cmp"
	"slices"
	"time"

	"tlagate/pki/crl"
	"tlagate/pki/internal/describe"
)

// List is a CRL or ARL at hand, or a source that has none, for people to read.
type List struct {
	Source     string // file or URL
	Issuer     string // common name of its issuer
	Number     string // CRLNumber, decimal
	Entries    int
	Octets     int // of its DER
	ThisUpdate time.Time
	NextUpdate time.Time
	Ahead      time.Time // when it should have been renewed: if it was not, the log warns from then on
	Stranger   bool      // none of our CAs has its issuer's name: it counts only if peers bring that CA
	Err        error     // why no certificate can be accepted by it now, a *Refusal; nil = it can be used
}

// Lists returns every list at hand, and each source that has nothing usable. A list that a newer one from another
// source replaces is left out: nothing depends on it.
func (t *crlStore) Lists() []List {
	snap, now := t.snap.Load(), t.now()
	var all []List
	for _, c := range snap.crls {
		if t.superseded(c, snap.crls) {
			continue
		}
		l := List{Source: c.Source, Issuer: describe.Cut(c.Head.Issuer.CommonName, 64), Number: c.Number().String(),
			Entries: c.Len(), Octets: len(c.DER), ThisUpdate: c.Head.ThisUpdate, NextUpdate: c.Head.NextUpdate,
			Ahead: t.aheadOf(c.Head.ThisUpdate, c.Head.NextUpdate), Stranger: !t.knowsCA(c.Head.RawIssuer)}
		if refusal := cmp.Or(t.judgeAsRead(c), c.CheckFuture(now), c.CheckStale(now)); refusal != nil {
			l.Err = refusal
		}
		all = append(all, l)
	}
	for _, refusal := range snap.broken {
		all = append(all, List{Source: refusal.Subject, Err: refusal})
	}
	return all
}

// superseded reports whether a newer list of the same series is at hand and can be used now.
func (t *crlStore) superseded(c *crl.List, all []*crl.List) bool {
	now := t.now()
	return slices.ContainsFunc(all, func(n *crl.List) bool {
		return n != c && n.SameSeries(c) && n.Number().Cmp(c.Number()) > 0 && t.judgeAsRead(n) == nil &&
			n.CheckFuture(now) == nil && n.CheckStale(now) == nil
	})
}
