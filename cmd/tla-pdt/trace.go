package main

import (
	"context"
	"log/slog"

	"tlagate/audit"
	"tlagate/audit/home"
	"tlagate/cmd/internal/trail"
	"tlagate/pdt"
	"tlagate/session/link"
)

// sessionEvents maps the events of a session to the trace's names for them.
var sessionEvents = map[pdt.EventKind]audit.Kind{pdt.EventUp: audit.SessionUp, pdt.EventEnded: audit.SessionEnded,
	pdt.EventFailed: audit.SessionFailed}

// sessions returns what records the events of sessions (SA2), without holding any up. What a terminal makes fail again
// and again is counted (audit.rationed).
func sessions(t *trail.Trail, mark func(identifier string) []audit.Attr) func(pdt.Event) {
	return func(e pdt.Event) {
		with := []audit.Attr{audit.Session(e.Session), audit.Peer(e.TLA), audit.Gateway(e.Gateway),
			audit.Reason(e.Reason), audit.Incident(e.Incident), audit.Proof(e.Proof)}
		if e.Person != "" && mark != nil {
			with = append(with, mark(e.Person)...)
		}
		if e.Kind == pdt.EventEnded {
			with = append(with, audit.Length(e.Length), audit.Commands(e.Commands))
		}
		if e.Kind == pdt.EventFailed {
			t.Log.Stranger(e.TLA, sessionEvents[e.Kind], with...)
			return
		}
		t.Log.Later(sessionEvents[e.Kind], with...)
	}
}

// lines returns what sends the trace's lines to the gateway while there is a session (SA2).
func lines(t *trail.Trail, log *slog.Logger) func(context.Context, string, *link.Conn) {
	sender := home.NewSender(home.SenderConfig{Trace: t.Log, Log: log})
	return func(ctx context.Context, session string, to *link.Conn) { sender.Run(ctx, session, to) }
}
