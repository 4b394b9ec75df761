package main

import (
	"tlagate/audit"
	"tlagate/cmd/internal/trail"
	"tlagate/tla"
)

// sessionEvents maps the events of a session to the trace's names for them.
var sessionEvents = map[tla.EventKind]audit.Kind{
	tla.EventUp: audit.SessionUp, tla.EventEnded: audit.SessionEnded, tla.EventFailed: audit.SessionFailed,
	tla.EventRehearsed: audit.SessionChecked, tla.EventRefused: audit.SessionRefused,
}

// sessions returns what records the events of sessions (C4, SA2), with the incident number that the user is told.
func sessions(t *trail.Trail) func(tla.Event) {
	return func(e tla.Event) {
		with := []audit.Attr{audit.Session(e.Session), audit.PdT(e.PdT), audit.Act(string(e.Act.Kind)),
			audit.User(e.Act.By), audit.Gateway(e.Gateway), audit.Code(string(e.Why.Code)),
			audit.Reason(e.Why.Reason), audit.Peer(e.Why.Peer), audit.Incident(e.Why.Incident)}
		if e.Kind == tla.EventEnded {
			with = append(with, audit.Commands(e.Commands))
		}
		t.Note(sessionEvents[e.Kind], with...)
	}
}
