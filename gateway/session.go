package gateway

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tlagate/audit"
	"tlagate/pki"
	"tlagate/session/link"
)

// session is a TLA's link joined with a PdT's.
type session struct {
	g  *Gateway
	id string // chosen by the TLA

	consent []audit.Event // to it: to be recorded with its beginning; nil from then on

	user     sessionUser // set before it begins
	userTold atomic.Bool // the log was told that the user no longer passes, and the session goes on

	generation uint32                    // of this link of the card session, from 1
	ticketAt   atomic.Pointer[time.Time] // when the last ticket was made; nil = none was

	tla    *end // set once, by publish
	pdt    *end
	began  time.Time // the card session, which a further link continues
	joined time.Time
	limit  *time.Timer
	ending sync.Once
	up     chan struct{} // closed when it has begun
	done   chan struct{} // closed when it is over
}

func newSession(g *Gateway, id string) *session {
	id = strings.Clone(id) // it is part of the whole header
	return &session{g: g, id: id, generation: 1, began: time.Now(), up: make(chan struct{}), done: make(chan struct{})}
}

// begin sends both ends what they need to verify each other, then lets data pass both ways. While draining it ends the
// session at once.
func (s *session) begin(tla, pdt *end) {
	s.g.log.Info("joined", "session", s.id, "generation", s.generation, "tla", tla.client.identity(),
		"pdt", pdt.client.identity())
	s.g.meters.sessionBegun(s.generation)
	s.g.lately.begun(s, tla, pdt)
	s.g.status.sendJoined(s, tla, pdt)
	s.g.tickets.send(s, tla, pdt)
	if draining := s.g.sessions.publish(s, tla, pdt); draining {
		s.drained()
	}
}

// givesWayTo reports whether further is a further link of this session. The caller holds the table's mu.
func (s *session) givesWayTo(further *session) bool {
	return s.tla != nil && further.id == s.id && further.generation > s.generation
}

// isOver reports whether the session is over here; its ends may still be closing.
func (s *session) isOver() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

func (s *session) other(e *end) *end {
	if e == s.tla {
		return s.pdt
	}
	return s.tla
}

var (
	overNotice   = link.Notice{Code: link.CodeTimeOver, Text: "The session has reached its longest time."}
	goesOnNotice = link.Notice{Code: link.CodePeerGone, Text: "The session goes on over another link."}
	drainNotice  = link.Notice{Code: link.CodeDraining, Text: "The gateway is stopping; use another one."}
)

// notify sends a notice to both ends, and waits for neither.
func (s *session) notify(n link.Notice) {
	for _, e := range []*end{s.tla, s.pdt} {
		go e.link.WriteNotice(n)
	}
}

// reasonResumed is why a session ended here that goes on over another link.
const reasonResumed = "resumed"

func (s *session) timeOver() { s.end(overNotice, string(link.CodeTimeOver), "gateway") }
func (s *session) drained()  { s.end(drainNotice, string(link.CodeDraining), "gateway") }

// lost ends the session because the link of one end is over.
func (s *session) lost(e *end, err error) {
	if errors.Is(err, errOtherEnd) {
		return
	}
	if n, ok := errors.AsType[*link.Notice](err); ok && e.cut.Load() { // we cut it just before it had this session
		s.end(*n, string(n.Code), "gateway")
		return
	}
	by := e.client.peer.Identity.Role
	s.end(link.Notice{Code: link.CodePeerGone, Text: "The link of the " + endNames[by] + " is gone."},
		reasonOf(err), string(by))
}

var endNames = map[pki.Role]string{pki.RoleTLA: "terminal", pki.RolePdT: "Poste de Travail"}

// end ends the session once: both ends get the notice, then their links close. more goes into the trace.
func (s *session) end(n link.Notice, reason, by string, more ...audit.Attr) {
	s.ending.Do(func() {
		n := numbered(n, reason)
		s.g.sessions.stopClock(s)
		for _, e := range []*end{s.tla, s.pdt} {
			e.link.Part(n)
		}
		s.g.log.Info("session ended", "session", s.id, "tla", s.tla.client.identity(), "pdt", s.pdt.client.identity(),
			"reason", reason, "by", by, "duration", time.Since(s.joined).Round(time.Millisecond).String(),
			"from_tla", s.tla.octets.Load(), "from_pdt", s.pdt.octets.Load(), "incident", n.Incident)
		s.g.meters.sessionEnded(reason, by)
		s.g.trace.ended(s, reason, by, n.Incident, more...)
		s.g.lately.ended(s, reason, n.Incident)
		s.g.sessions.remove(s.tla.client.peer.Identity, s)
	})
}
