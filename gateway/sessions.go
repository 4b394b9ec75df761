package gateway

import (
	"slices"
	"sync"
	"time"

	"tlagate/pki"
	"tlagate/session/link"
)

// sessionTable holds one session a TLA, reserved or begun.
type sessionTable struct {
	absolute time.Duration   // length of a session, at most
	mostOf   int             // sessions of one practice; 0 = no limit
	links    *sync.WaitGroup // the gateway's

	mu       sync.Mutex // protects the rest, and tla, pdt, joined and limit of sessions
	byTLA    map[pki.Identity]*session
	practice practiceCount // of these
	draining bool
}

func newSessionTable(l Limits, links *sync.WaitGroup) *sessionTable {
	return &sessionTable{absolute: l.Absolute, mostOf: l.PerPractice.Sessions, links: links,
		byTLA: map[pki.Identity]*session{}, practice: practiceCount{}}
}

// reserve admits a TLA's session if it has no other. A further link of the same session replaces the one before, which
// the caller ends. When reserve returns no problem, links counts one more: publish or release follows.
func (t *sessionTable) reserve(tla pki.Identity, s *session) (before *session, p *link.Problem) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.draining {
		return nil, drainingProblem()
	}
	before = t.byTLA[tla]
	if before != nil && !before.givesWayTo(s) {
		return nil, &link.Problem{Code: link.ProblemTLABusy, Detail: "This terminal already has a session.",
			Action: "Stop that one first."}
	}
	if before == nil {
		if reached(t.practice[tla.Practice], t.mostOf) {
			return nil, tooManyOfPractice("sessions", retrySessions)
		}
		t.practice.add(tla.Practice, 1)
	}
	t.byTLA[tla] = s
	t.links.Add(1)
	return before, nil
}

// release undoes reserve, for a session that has not begun.
func (t *sessionTable) release(tla pki.Identity, s *session) {
	t.remove(tla, s)
	t.links.Done()
}

// remove lets the TLA open again.
func (t *sessionTable) remove(tla pki.Identity, s *session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byTLA[tla] == s {
		delete(t.byTLA, tla)
		t.practice.add(tla.Practice, -1)
	}
	close(s.done)
}

// publish makes a session known to the pumps of its ends and to close, and reports whether the gateway is draining.
func (t *sessionTable) publish(s *session, tla, pdt *end) (draining bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s.tla, s.pdt, s.joined = tla, pdt, time.Now()
	s.limit = time.AfterFunc(time.Until(s.began.Add(t.absolute)), s.timeOver)
	tla.session.Store(s)
	pdt.session.Store(s)
	close(s.up)
	return t.draining
}

func (t *sessionTable) stopClock(s *session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s.limit.Stop()
}

func (t *sessionTable) isDraining() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.draining
}

// close admits no more sessions, and returns those that have begun.
func (t *sessionTable) close() []*session {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.draining = true
	return t.begun()
}

// reopen admits sessions again.
func (t *sessionTable) reopen() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.draining = false
}

// Sessions returns the sessions that have begun and that f lets through, in no order. What a view needs of them does
// not change any more, or is atomic.
func (t *sessionTable) Sessions(f Filter) []*session {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.DeleteFunc(t.begun(), func(s *session) bool { return !f.takes(s) })
}

func (t *sessionTable) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.begun())
}

// begun returns the sessions that have begun. The caller holds t.mu.
func (t *sessionTable) begun() []*session {
	var all []*session
	for _, s := range t.byTLA {
		if s.tla != nil {
			all = append(all, s)
		}
	}
	return all
}
