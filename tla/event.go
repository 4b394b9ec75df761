package tla

import "tlagate/session"

// EventKind is what happened to a session.
type EventKind string

// The kinds of events.
const (
	EventUp        EventKind = "up"      // it is up
	EventEnded     EventKind = "ended"   // after it was up
	EventFailed    EventKind = "failed"  // it did not start
	EventRehearsed EventKind = "checked" // it was only a rehearsal, the test before a visit
	EventRefused   EventKind = "refused" // the card policy stopped ManyRefused of its commands (C1)
	EventSigned    EventKind = "signed"  // a program signed with the key by which the user proves who they are (C2)
)

// Event is something about a session that belongs in the audit trace (C4, SA2).
type Event struct {
	Kind    EventKind
	Session string // "" = none was begun
	PdT     string // URN, or as the user named it
	Act     Act
	Gateway string // host:port; "" = none was reached
	Why     Why    // of every kind but EventUp

	Commands uint64 // of EventEnded: how many commands of programs a card executed, PIN entries not counted
	Signed   uint64 // of EventSigned: how many times so far
}

// trace reports an event of this session to Config.Trace.
func (l *live) trace(kind EventKind, gateway string, w Why) {
	l.cfg.trace(Event{Kind: kind, Session: l.id.String(), PdT: l.pdt.String(), Act: l.act, Gateway: gateway, Why: w,
		Commands: l.done.Load(), Signed: l.signed.Load()})
}

// hasSigned counts and traces that a program of the PdT may have signed with the key of a proof: the first time, the
// second, the fourth, the eighth … (a PdT must not be able to fill the trace).
func (l *live) hasSigned() {
	if n := l.signed.Add(1); n&(n-1) == 0 {
		l.traceSigned(n)
	}
}

// traceRest traces at the end of a session how many signatures there were, unless the last line said so.
func (l *live) traceRest() {
	if n := l.signed.Load(); n&(n-1) != 0 {
		l.traceSigned(n)
	}
}

func (l *live) traceSigned(n uint64) {
	l.log.Info("a program signed with the key by which the user proves who they are", "so_far", n)
	l.trace(EventSigned, "", Why{Peer: l.pdt.String()})
}

func (c Config) trace(e Event) {
	if c.Trace != nil {
		c.Trace(e)
	}
}

// fail numbers, logs and traces a start that led to no session.
func (r *Relay) fail(kind EventKind, act Act, why *Why) *Why {
	w := why.numbered()
	r.cfg.Log.Warn("session refused", "code", string(w.Code), "reason", w.Reason, "peer", act.PdT,
		"incident", w.Incident, "detail", w.Detail)
	r.cfg.trace(Event{Kind: kind, PdT: act.PdT, Act: act, Why: *w})
	return w
}

// manyRefused logs and traces, under an incident number, that the user is warned: the card policy stopped ManyRefused
// commands of this session (C1).
func (l *live) manyRefused(slot session.Slot) {
	w := (&Why{Code: CodeManyRefused, Reason: slot.String(), Peer: l.pdt.String()}).numbered()
	l.refusedIncident.Store(&w.Incident)
	l.log.Warn("the user is warned: many commands were refused by the card policy", "slot", slot.String(),
		"incident", w.Incident)
	l.trace(EventRefused, "", *w)
}
