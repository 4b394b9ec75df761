package trail

import (
	"bytes"
	"context"
	"crypto/x509"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
	"tlagate/cmd/internal/cli"
	"tlagate/keys"
	"tlagate/pki/pkitest"
)

// AuditTrace and BecomeOwner make place a Holder.
func (p place) AuditTrace() (cli.Trace, error) { return cli.Trace{File: cli.Path(p.Config)}, nil }
func (p place) BecomeOwner() error             { return nil }

type keeper struct {
	Audit struct {
		Command[place] `embed:""`

		Hold    KeepCmd[place] `cmd:""`
		Release KeepCmd[place] `cmd:""`
	} `cmd:""`
}

func keep(args ...string) (code int, out, errs string) {
	var o, e bytes.Buffer
	app := &cli.App{Context: context.Background(), Stdout: &o, Stderr: &e, Log: slog.New(slog.DiscardHandler)}
	code = cli.Run(app, "prog", append([]string{"audit"}, args...), &keeper{}, nil)
	return code, o.String(), e.String()
}

// TestSA2HoldCommands: a hold and its release are acts of an account, for a reason, in the trace.
func TestSA2HoldCommands(t *testing.T) {
	file := filepath.Join(t.TempDir(), "audit.jsonl")
	code, _, errs := keep("release", "--config", file, "--reason", "case 17")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "it is not held")
	code, out, errs := keep("hold", "--config", file, "--reason", "case 17")
	require.Equal(t, []any{0, "Nothing is purged until `audit release`.\n", ""}, []any{code, out, errs})
	require.Contains(t, Held(file), ": case 17")
	code, _, errs = keep("hold", "--config", file, "--reason", "case 18")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "it is held, since")
	code, _, errs = keep("release", "--config", file, "--reason", "case 17 is closed")
	require.Equal(t, []any{0, ""}, []any{code, errs})
	require.Empty(t, Held(file))
	var acts []string
	for line, err := range audit.Read(file) {
		require.NoError(t, err)
		require.Equal(t, audit.OperatorAct, line.Entry.Event)
		require.NotEmpty(t, line.Entry.With["user"])
		acts = append(acts, line.Entry.With["act"]+" "+line.Entry.With["reason"])
	}
	require.Equal(t, []string{"hold case 17", "release case 17 is closed"}, acts)
	code, _, _ = keep("hold", "--config", file)
	require.Equal(t, 2, code, "no reason")
	code, _, _ = keep("hold", "--reason", "case 17")
	require.Equal(t, 2, code, "no trace")
}

// TestSA2KeptIsSaid in words.
func TestSA2KeptIsSaid(t *testing.T) {
	for want, trace := range map[string]cli.Trace{
		"kept for 366 days, then purged; without room, no session begins": {},
		"kept for 400 days, then purged, in at most 20480 MiB; without room, no session begins": {
			Keep: 400 * 24 * time.Hour, Space: 20 << 30},
		"never purged; without room, sessions begin all the same": {Keep: cli.Never, GoOn: true},
	} {
		require.Equal(t, want, Kept(trace))
	}
}

// TestSA2PurgedByTheGatewaysKey: the pair that the program opens signs what is purged; verify says so, and, with
// anchors, refuses a signer that is no gateway below one.
func TestSA2PurgedByTheGatewaysKey(t *testing.T) {
	b := newBed(t)
	age, kept := 400, time.Duration(0) // days; 0 = twelve months
	sign := func(urn string) (file string) {
		cert, key := pkitest.WriteCertificate(t, t.TempDir(), "g", b.ca.Issue(urn, x509.ExtKeyUsageClientAuth))
		file = filepath.Join(t.TempDir(), "audit.jsonl")
		old, err := audit.Open(audit.Config{File: file, By: "tla-gateway", Daily: true,
			Clock: func() time.Time { return time.Now().AddDate(0, 0, -age) }})
		require.NoError(t, err)
		require.NoError(t, old.Record(audit.ProgramStart))
		trail, err := OpenKept(b.trail.app, "tla-gateway", cli.Trace{File: cli.Path(file), Keep: kept})
		require.NoError(t, err)
		require.NoError(t, trail.Log.Record(audit.ProgramStart))
		pair, err := trail.Keys("server", cli.Identity{Cert: cli.Path(cert), Key: keys.Spec(key)})
		require.NoError(t, err)
		t.Cleanup(func() { _ = pair.Close() })
		_, err = trail.Log.Purge()
		require.NoError(t, err)
		require.NoError(t, trail.Log.Close())
		return file
	}
	file := sign("urn:tlagate:cab1:gateway:g1")
	code, out, errs := keep("verify", "--file", file)
	require.Equal(t, []any{0, ""}, []any{code, errs})
	require.Contains(t, out, "are one chain, 2 to ")
	require.Contains(t, out, "says that lines up to 1, of ")
	require.Contains(t, out, "signed by urn:tlagate:cab1:gateway:g1")
	require.NotContains(t, out, "not for twelve months")
	below := []string{"--anchor", b.files.Anchor, "--anchor", b.files.Intermediate}
	code, _, errs = keep(append([]string{"verify", "--file", file}, below...)...)
	require.Equal(t, []any{0, ""}, []any{code, errs})

	age, kept = 40, 30*24*time.Hour
	code, out, _ = keep("verify", "--file", sign("urn:tlagate:cab1:gateway:g1"))
	require.Zero(t, code)
	require.Contains(t, out, "removes what was kept for 40 days only, not for twelve months (SA2)")

	code, _, errs = keep(append([]string{"verify", "--file", sign("urn:tlagate:cab1:tla:t1")}, below...)...)
	require.Equal(t, 1, code)
	require.Contains(t, errs, "its certificate is no gateway's")
	other := pkitest.NewNamed(t, "TEST second").WriteTrust(t.TempDir())
	code, _, errs = keep("verify", "--file", file, "--anchor", other.Anchor)
	require.Equal(t, 1, code)
	require.Contains(t, errs, "not valid then below the anchors")
	code, _, errs = keep("verify", "--file", file, "--anchor", file)
	require.Equal(t, 2, code)
	require.True(t, strings.HasPrefix(errs, "prog: cannot use the anchor"), errs)
}

// TestSA2WhatWaitsIsWrittenAtTheEnd: what waits at the end is written before the program ends.
func TestSA2WhatWaitsIsWrittenAtTheEnd(t *testing.T) {
	b := newBed(t)
	require.NoError(t, b.trail.During(Machine{}, func() error {
		for range 50 {
			b.trail.Log.Later(audit.SessionEnded)
		}
		return nil
	}))
	require.Len(t, b.news(), 52)
}
