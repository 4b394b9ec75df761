package revocation

import (
	"fmt"
	"time"

	"tlagate/internal/stamp"
	"tlagate/pki"
	"tlagate/pki/internal/describe"
)

// Freshness is how long one piece of revocation data is good for.
type Freshness struct {
	Kind   string    // SourceCRL or SourceOCSP
	Source string    // file or URL and the CA; or which OCSP answer
	Until  time.Time // its nextUpdate
	Ahead  time.Time // when it should have been renewed: if it was not, the log warns from then on
}

// How early a warning comes by default: a sixteenth of the data's life, which is 1 h 37 min for a CRL of 26 h that was
// to be renewed 2 h before its end; a larger part of a shorter life, since a CA is not repaired within minutes; and not
// weeks ahead.
const (
	longestWarning  = 7 * 24 * time.Hour
	shortestWarning = 90 * time.Minute // but never more than a quarter of the life
)

// aheadOf returns when data with these dates should have been renewed.
func (t *shared) aheadOf(from, until time.Time) time.Time {
	ahead := t.cfg.WarnAhead
	if life := until.Sub(from); ahead == 0 {
		ahead = min(max(life/16, min(life/4, shortestWarning)), longestWarning)
	}
	return until.Add(-ahead)
}

// Freshness lists the revocation data in use: every CRL, and every OCSP answer that is to be renewed. For metrics and
// status.
func (t *Store) Freshness() []Freshness { return t.freshness(func(time.Time) bool { return true }) }

// freshness lists the data whose Ahead is interesting.
func (t *Store) freshness(interesting func(ahead time.Time) bool) []Freshness {
	var list []Freshness
	for _, c := range t.snap.Load().crls {
		if ahead := t.aheadOf(c.Head.ThisUpdate, c.Head.NextUpdate); interesting(ahead) {
			source := fmt.Sprintf("%s of %s", c.Source, describe.Name(c.Head.Issuer.CommonName))
			list = append(list, Freshness{pki.SourceCRL, source, c.Head.NextUpdate, ahead})
		}
	}
	inUse := func(a *answer) bool { return interesting(t.aheadOf(a.thisUpdate, a.nextUpdate)) }
	for _, r := range t.answers.inUse(t.now(), t.cfg.OCSP.Refresh, inUse) {
		source := fmt.Sprintf("answer about %s of %s", t.called(r.who),
			describe.Name(r.who.issuer.Subject.CommonName))
		list = append(list, Freshness{pki.SourceOCSP, source, r.answer.nextUpdate,
			t.aheadOf(r.answer.thisUpdate, r.answer.nextUpdate)})
	}
	return list
}

// called returns what a certificate is called in texts.
func (t *shared) called(who about) string {
	if t.cfg.Persons {
		return "a certificate"
	}
	return fmt.Sprintf("serial %x", who.serial)
}

// inUse returns copies of the records whose answer is in use, is to be renewed, and is interesting.
func (s *answers) inUse(now time.Time, refresh time.Duration, interesting func(*answer) bool) []record {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []record
	for _, r := range s.records {
		if r.answer != nil && !r.answer.final() && r.inUse(now, refresh) && interesting(r.answer) {
			list = append(list, record{who: r.who, answer: r.answer})
		}
	}
	return list
}

// whatToDo is the advice about data that is not renewed, by its kind.
var whatToDo = map[string]string{
	pki.SourceCRL:  "see that the CA publishes a new list and that it arrives here",
	pki.SourceOCSP: "see that the responder runs and can be reached from here",
}

// mostWarnings bounds what one call of warnStale may log.
const mostWarnings = 20

// warnStale logs, once for each piece of data, that it should have been renewed and was not. Only renew calls it.
func (t *Store) warnStale() {
	now, late := t.now(), map[string]bool{}
	for _, f := range t.freshness(now.After) {
		key := f.Source + stamp.Instant(f.Until)
		if late[key] = true; t.warned[key] || len(late) > mostWarnings {
			continue
		}
		t.log.Warn("revocation data not renewed: when it ends, peers that nothing else vouches for will be refused; "+
			whatToDo[f.Kind],
			"kind", f.Kind, "source", f.Source, "until", stamp.Instant(f.Until), "left",
			f.Until.Sub(now).Round(time.Second).String())
	}
	t.warned = late
}
