package main

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/trail"
	"tlagate/tla"
)

// TestSA2SessionsAreTracedAtTheTerminal: each event of a session has its line, with the number that the user was told.
func TestSA2SessionsAreTracedAtTheTerminal(t *testing.T) {
	file := filepath.Join(t.TempDir(), "audit.jsonl")
	app := &cli.App{Context: context.Background(), Log: slog.New(slog.DiscardHandler)}
	kept, err := trail.Open(app, "tla-relay", cli.Path(file))
	require.NoError(t, err)
	record := sessions(kept)
	for _, kind := range []tla.EventKind{tla.EventUp, tla.EventRefused, tla.EventEnded, tla.EventFailed,
		tla.EventRehearsed, tla.EventSigned} {
		record(tla.Event{Kind: kind, PdT: "bureau", Commands: 7, Signed: 4, Why: tla.Why{Incident: "K7M2"}})
	}
	var kinds []audit.Kind
	for line, err := range audit.Read(file) {
		require.NoError(t, err)
		require.Equal(t, "K7M2", line.Entry.With["incident"])
		require.Equal(t, line.Entry.Event == audit.SessionEnded, line.Entry.With["commands"] == "7")
		require.Equal(t, line.Entry.Event == audit.SessionSigned, line.Entry.With["count"] == "4")
		kinds = append(kinds, line.Entry.Event)
	}
	require.Equal(t, []audit.Kind{audit.SessionUp, audit.SessionRefused, audit.SessionEnded, audit.SessionFailed,
		audit.SessionChecked, audit.SessionSigned}, kinds)
}
