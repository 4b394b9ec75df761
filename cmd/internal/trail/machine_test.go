package trail

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/intact"
	"tlagate/integrity"
)

// watched is a program with a manifest of itself and of a drop-in.
type watched struct {
	*bed
	dropIn  string
	section intact.Section
}

func newWatched(t *testing.T) *watched {
	w := &watched{bed: newBed(t)}
	w.dropIn = filepath.Join(w.dir, "limits.conf")
	w.write("as it was")
	self, err := os.Executable()
	require.NoError(t, err)
	list, err := integrity.Gathering{Paths: []string{self, w.dropIn}}.Gather()
	require.NoError(t, err)
	ops := w.ca.Issue("urn:tlagate:op:admin:ops", x509.ExtKeyUsageCodeSigning)
	der, err := integrity.Sign(&integrity.Manifest{Manifest: 1, Name: "test", Number: 1, Made: time.Now(), Files: list},
		&ops, time.Now())
	require.NoError(t, err)
	file := filepath.Join(w.dir, "test.p7m")
	require.NoError(t, os.WriteFile(file, der, 0o600))
	w.section = intact.Section{Manifests: []cli.Path{cli.Path(file)}, Anchors: []cli.Path{cli.Path(w.files.Anchor)},
		OnMismatch: intact.Stop, Every: 50 * time.Millisecond}
	return w
}

func (w *watched) write(text string) {
	w.t.Helper()
	require.NoError(w.t, os.WriteFile(w.dropIn, []byte(text), 0o600))
}

// during is a run of the program, as one in a process of its own.
func (w *watched) during(m Machine, f func() error) error {
	w.t.Helper()
	var err error
	app := &cli.App{Context: w.t.Context(), Log: w.trail.app.Log}
	w.trail, err = Open(app, "tla-test", cli.Path(w.trace))
	require.NoError(w.t, err)
	return w.trail.During(m, f)
}

func (w *watched) machine() Machine {
	return Compared(filepath.Join(w.dir, "x.yaml"), w.section, cli.Trust{})
}

// TestDL3AProgramStopsByChoice: it is told to stop when something differs, does not start before that is mended, and
// does something else instead if it says so.
func TestDL3AProgramStopsByChoice(t *testing.T) {
	w := newWatched(t)
	err := w.during(w.machine(), func() error {
		w.write("changed")
		<-w.trail.app.Context.Done()
		return w.trail.app.Context.Err()
	})
	require.ErrorAs(t, err, new(*integrity.Mismatch))
	require.Contains(t, kindsOf(w.news()), audit.IntegrityDiffers)

	never := func() error { t.Error("it ran"); return nil }
	err = w.during(w.machine(), never)
	require.ErrorAs(t, err, new(*integrity.Mismatch))
	require.NotContains(t, kindsOf(w.news()), audit.ProgramStart)

	ran := false
	require.NoError(t, w.during(w.machine().OrElse(func(m *integrity.Mismatch) error {
		ran = true
		require.Equal(t, w.dropIn, m.Differs[0].Path)
		return nil
	}), never))
	require.True(t, ran)
	require.Contains(t, kindsOf(w.news()), audit.ProgramStart)

	w.write("as it was")
	require.NoError(t, w.during(w.machine(), func() error { return nil }))
	require.Contains(t, kindsOf(w.news()), audit.IntegrityRestored)
}

// TestDL3AProgramReportsByDefault: it goes on, and its log says so.
func TestDL3AProgramReportsByDefault(t *testing.T) {
	w := newWatched(t)
	w.section.OnMismatch = ""
	w.write("changed")
	ran := false
	require.NoError(t, w.during(w.machine(), func() error { ran = true; return nil }))
	require.True(t, ran)
	require.Contains(t, w.log.String(), "going on all the same")
	state, configured := w.trail.Integrity()
	require.True(t, configured)
	require.Equal(t, 1, state.Differs)
}

// TestDL3WhatNoSectionSays: what would not be compared as it reads is refused.
func TestDL3WhatNoSectionSays(t *testing.T) {
	good := intact.Section{Manifests: []cli.Path{"m.p7m"}, Anchors: []cli.Path{"root.crt"}}
	require.NoError(t, good.Check(cli.Trust{}, "audit.jsonl"))
	require.NoError(t, intact.Section{}.Check(cli.Trust{}, ""))
	for want, change := range map[string]func(s *intact.Section, trace *cli.Path){
		"neither report nor stop":   func(s *intact.Section, _ *cli.Path) { s.OnMismatch = "ignore" },
		"is not from 1s to 24h0m0s": func(s *intact.Section, _ *cli.Path) { s.Every = time.Millisecond },
		"it names no manifests":     func(s *intact.Section, _ *cli.Path) { s.Manifests = nil },
		"without an audit trace":    func(_ *intact.Section, trace *cli.Path) { *trace = "" },
		"integrity.anchors is missing": func(s *intact.Section, _ *cli.Path) {
			s.Anchors = nil
		},
		"is no file": func(s *intact.Section, _ *cli.Path) { s.Manifests = []cli.Path{"https://x/m.p7m"} },
	} {
		s, trace := good, cli.Path("audit.jsonl")
		change(&s, &trace)
		require.ErrorContains(t, s.Check(cli.Trust{}, trace), want)
	}
}
