package pki

import (
	"cmp"
	"time"
)

// List is a CRL or ARL at hand, or a source that gives none; for people.
type List struct {
	Source     string // file or URL
	Issuer     string // common name of the CA that it names
	Number     string // CRLNumber, decimal
	Entries    int
	ThisUpdate time.Time
	NextUpdate time.Time
	Err        error // nil, or a *Refusal: why nothing can be accepted by it now
}

// Lists gives every list at hand, and each source that gives nothing usable.
func (t *Trust) Lists() []List {
	snap, now := t.snap.Load(), t.now()
	var all []List
	for _, c := range snap.crls {
		l := List{Source: c.source, Issuer: bounded(c.list.Issuer.CommonName, 64), Number: c.number().String(),
			Entries: c.entries.count, ThisUpdate: c.list.ThisUpdate, NextUpdate: c.list.NextUpdate}
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
