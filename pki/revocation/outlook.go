package revocation

import (
	"time"

	"tlagate/pki"
)

// Outlook is how long the revocation data at hand last, for metrics. Gathering it is one pass over the certificates in
// use.
type Outlook struct {
	// End is when the first certificate in use will have neither an OCSP answer nor a CRL in date, if nothing is
	// renewed from now on: from then on it is refused. Zero: nothing at all is at hand.
	End     time.Time
	Lists   []Freshness // of each CRL source that has lists, the one that ends first; Source is the source alone
	Answers Freshness   // of the OCSP answers in use, the one that ends first; zero = there are none
	InUse   int         // OCSP answers in use
}

// Outlook returns how long the revocation data at hand last.
func (t *Store) Outlook() Outlook {
	var o Outlook
	o.Lists = t.firstLists()
	ends := t.listEnds()
	t.answers.outlook(t.shared, ends, &o)
	for _, issuer := range ends {
		o.reach(issuer.end())
	}
	return o
}

// reach takes into account a moment from which something is refused; zero = there is none.
func (o *Outlook) reach(end time.Time) {
	if !end.IsZero() && (o.End.IsZero() || end.Before(o.End)) {
		o.End = end
	}
}

// firstLists returns, of each source, the list that ends first.
func (t *crlStore) firstLists() []Freshness {
	var list []Freshness
	for _, s := range t.sources {
		crls, _ := s.lists()
		var first Freshness
		for _, c := range crls {
			first.earlier(Freshness{pki.SourceCRL, s.where, c.Head.NextUpdate,
				t.aheadOf(c.Head.ThisUpdate, c.Head.NextUpdate)})
		}
		if len(crls) > 0 {
			list = append(list, first)
		}
	}
	return list
}

// earlier sets each date of f to the earlier one of f and o: what ends first and what should have been renewed first
// may be different data.
func (f *Freshness) earlier(o Freshness) {
	if f.Until.IsZero() {
		*f = o
		return
	}
	if o.Until.Before(f.Until) {
		f.Until = o.Until
	}
	if o.Ahead.Before(f.Ahead) {
		f.Ahead = o.Ahead
	}
}

// issuerEnd is until when the certificates of one CA are covered.
type issuerEnd struct {
	lists   map[string]time.Time // for each series of CRLs, by key and scope, the last end of its usable ones
	asked   bool                 // responders are asked about certificates of this CA that are in use
	covered time.Time            // when the first of those is no longer covered; zero = none is covered
}

// list returns until when CRLs cover them all; zero = none does.
func (e *issuerEnd) list() time.Time {
	var end time.Time
	for _, until := range e.lists {
		if end.IsZero() || until.Before(end) {
			end = until
		}
	}
	return end
}

func (e *issuerEnd) end() time.Time {
	if e.asked {
		return e.covered
	}
	return e.list()
}

// listEnds returns the ends of CRLs by issuer's name. A list by which no certificate can be accepted does not count.
func (t *crlStore) listEnds() map[string]*issuerEnd {
	ends, now := map[string]*issuerEnd{}, t.now()
	for _, c := range t.snap.Load().crls {
		if t.judgeAsRead(c) != nil || c.CheckFuture(now) != nil {
			continue
		}
		issuer := ends[string(c.Head.RawIssuer)]
		if issuer == nil {
			issuer = &issuerEnd{lists: map[string]time.Time{}}
			ends[string(c.Head.RawIssuer)] = issuer
		}
		series := string(c.Head.AuthorityKeyId) + " " + string(c.Scope.Raw)
		if c.Head.NextUpdate.After(issuer.lists[series]) {
			issuer.lists[series] = c.Head.NextUpdate
		}
	}
	return ends
}

// outlook adds the certificates in use about which responders are asked.
func (s *answers) outlook(t *shared, ends map[string]*issuerEnd, o *Outlook) {
	now := t.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.records {
		if !r.inUse(now, t.cfg.OCSP.Refresh) || r.answer != nil && (r.answer.final() || r.answer.status != statusGood) {
			continue // it is not in use, or is refused anyway
		}
		issuer := ends[string(r.who.issuer.RawSubject)]
		if issuer == nil {
			issuer = &issuerEnd{}
			ends[string(r.who.issuer.RawSubject)] = issuer
		}
		until := issuer.list()
		if r.answer != nil {
			o.InUse++
			o.Answers.earlier(Freshness{pki.SourceOCSP, "", r.answer.nextUpdate,
				t.aheadOf(r.answer.thisUpdate, r.answer.nextUpdate)})
			if r.answer.nextUpdate.After(until) {
				until = r.answer.nextUpdate
			}
		}
		issuer.reach(until)
	}
}

// reach notes until when one more certificate is covered; zero = by nothing at hand yet, which its own handshake shows.
func (e *issuerEnd) reach(until time.Time) {
	e.asked = e.asked || !until.IsZero()
	if !until.IsZero() && (e.covered.IsZero() || until.Before(e.covered)) {
		e.covered = until
	}
}

// inUse reports whether a certificate is in use and responders are asked about it.
func (r *record) inUse(now time.Time, refresh time.Duration) bool {
	return len(r.urls) > 0 && now.Sub(r.used) < 2*refresh+time.Minute
}
