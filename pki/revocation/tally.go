package revocation

import (
	"cmp"
	"time"

	"tlagate/internal/address"
	"tlagate/pki"
)

// SourceState is how well one source of revocation data can be read, for metrics.
type SourceState struct {
	Kind     string    // SourceCRL or SourceOCSP
	Where    string    // file or URL, as shown; "named by certificates" = all responders that are not configured
	Up       bool      // the last reading brought something usable
	Read     time.Time // when a reading last did; zero = never
	Failures uint64    // readings that brought nothing usable
}

// Sources returns the state of every CRL source, and of every responder that has been asked. What status records bring
// is left out.
func (t *Store) Sources() []SourceState {
	var list []SourceState
	for _, s := range t.sources {
		if s != t.received {
			list = append(list, s.state())
		}
	}
	return append(list, t.responders.states()...)
}

// tally counts readings; the mutex of the struct that contains it protects it.
type tally struct {
	failures uint64
	inRow    int // failures since the last success
	read     time.Time
}

func (y *tally) note(now time.Time, good bool) {
	if good {
		y.succeed(now)
		return
	}
	y.fail()
}

func (y *tally) succeed(now time.Time) { y.read, y.inRow = now, 0 }
func (y *tally) fail()                 { y.failures++; y.inRow++ }

func (y *tally) state(kind, where string) SourceState {
	return SourceState{Kind: kind, Where: where, Up: y.inRow == 0, Read: y.read, Failures: y.failures}
}

func (s *source) state() SourceState {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tally.state(pki.SourceCRL, s.where)
}

const namedByCertificates = "named by certificates"

// failuresToSay is how many questions in a row must fail before the log warns: one may fail in any network.
const failuresToSay = 3

// noteAsked counts a question to a responder, and logs when the responder fails and when it is back. That it does not
// answer for a CA is no failure: another responder may.
func (t *ocspClient) noteAsked(where string, refusal *pki.Refusal) {
	if refusal != nil && refusal.Cause == responderUnauthorized {
		return
	}
	where = cmp.Or(address.AllShown(t.cfg.OCSP.Responders)[where], namedByCertificates)
	failed := t.responders.note(where, refusal == nil, t.now())
	switch {
	case refusal == nil && failed >= failuresToSay:
		t.log.Info("OCSP responder answers again", "responder", where)
	case refusal != nil && failed == failuresToSay-1:
		t.log.Warn("OCSP responder fails: answers at hand are used until they end, then CRLs decide, or peers are "+
			"refused; look at the responder, or the way to it",
			"responder", where, "reason", refusal.Reason, "error", refusal)
	}
}

// note counts a question, and returns the failures in a row before it.
func (s *responders) note(where string, good bool, now time.Time) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tallies == nil {
		s.tallies = map[string]*tally{}
	}
	y := cmp.Or(s.tallies[where], &tally{})
	s.tallies[where] = y
	before := y.inRow
	y.note(now, good)
	return before
}

func (s *responders) states() []SourceState {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []SourceState
	for where, y := range s.tallies {
		list = append(list, y.state(pki.SourceOCSP, where))
	}
	return list
}
