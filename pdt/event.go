package pdt

import (
	"errors"
	"time"

	"tlagate/session/link"
)

// EventKind is what happened to a session.
type EventKind string

// The kinds of events.
const (
	EventUp     EventKind = "up"     // it has the readers
	EventEnded  EventKind = "ended"  // after it was up
	EventFailed EventKind = "failed" // its terminal was refused, or did not come so far
)

// Event is something about a session that belongs in the audit trace (SA2).
type Event struct {
	Kind    EventKind
	Session string
	TLA     string // identity; of EventFailed what the gateway named, which may not be proven
	Gateway string // of the session's link, as the configuration names it

	// of EventUp
	Proof  string // what came of the proof of the TLA's user: passed, or a word for why not; "" = none was looked at
	Person string // their national identifier, for the trace alone, which makes it unreadable; "" = nobody was verified

	// of every kind but EventUp
	Reason   string // the one word
	Incident string // that the gateway gave; "" = none

	// of EventEnded
	Length   time.Duration
	Commands uint64 // of programs, that the terminal answered
}

// trace reports an event to Config.Trace.
func (s *Service) trace(e Event) {
	if s.cfg.Trace != nil {
		s.cfg.Trace(e)
	}
}

// up returns the event that a session is up.
func (c *cardSession) up(g *gateway) Event {
	e := Event{Kind: EventUp, Session: c.id, TLA: c.tla.String(), Gateway: g.address, Proof: c.user.outcome}
	if c.user.Person != nil {
		e.Person = c.user.ID
	}
	return e
}

// failed reports that a joined link came to no session.
func (s *Service) failed(g *gateway, j *link.Joined, reason string, err error) {
	s.trace(Event{Kind: EventFailed, Session: j.Session, TLA: j.TLA, Gateway: g.address, Reason: reason,
		Incident: incidentOf(err)})
}

// incidentOf returns the number that the gateway gave what it ended.
func incidentOf(err error) string {
	if n, ok := errors.AsType[*link.Notice](err); ok {
		return n.Incident
	}
	return ""
}
