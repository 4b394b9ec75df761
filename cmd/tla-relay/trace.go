package main

import (
	"context"
	"log/slog"

	"tlagate/audit"
	"tlagate/audit/home"
	"tlagate/cmd/internal/trail"
	"tlagate/session/link"
	"tlagate/tla"
)

// sessionEvents maps the events of a session to the trace's names for them.
var sessionEvents = map[tla.EventKind]audit.Kind{
	tla.EventUp: audit.SessionUp, tla.EventEnded: audit.SessionEnded, tla.EventFailed: audit.SessionFailed,
	tla.EventRehearsed: audit.SessionChecked, tla.EventRefused: audit.SessionRefused,
	tla.EventSigned: audit.SessionSigned,
}

// sessions returns what records the events of sessions (C4, SA2), with the incident number that the user is told.
func sessions(t *trail.Trail) func(tla.Event) {
	return func(e tla.Event) {
		with := []audit.Attr{audit.Session(e.Session), audit.PdT(e.PdT), audit.Act(string(e.Act.Kind)),
			audit.User(e.Act.By), audit.Gateway(e.Gateway), audit.Code(string(e.Why.Code)),
			audit.Reason(e.Why.Reason), audit.Peer(e.Why.Peer), audit.Incident(e.Why.Incident)}
		switch e.Kind {
		case tla.EventEnded:
			with = append(with, audit.Commands(e.Commands))
		case tla.EventSigned:
			with = append(with, audit.Count(int(e.Signed)))
		}
		t.Note(sessionEvents[e.Kind], with...)
	}
}

// lines returns what sends the trace's lines to the gateway while a session is up (SA2).
func lines(t *trail.Trail, log *slog.Logger) func(context.Context, string, *link.Conn) {
	sender := home.NewSender(home.SenderConfig{Trace: t.Log, Log: log})
	return func(ctx context.Context, session string, to *link.Conn) { sender.Run(ctx, session, to) }
}
