package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/cmd/internal/cli"
	"tlagate/cmd/tla-relay/internal/relaytest"
	"tlagate/tla"
	"tlagate/tla/cards"
	ctl "tlagate/tla/control"
)

// TestStopTellsOfACardThatIsNotFree: the user is not told that the cards are free, and the exit status says so, too.
func TestStopTellsOfACardThatIsNotFree(t *testing.T) {
	s := relaytest.Idle()
	s.Readers[0].Card.Hold = cards.HoldStuck
	code, out, errs := run(t, "stop", "--config", daemonThat(t, tla.Answer{Version: 1, OK: true, Status: &s}))
	require.Equal(t, []any{1, ""}, []any{code, out})
	require.Contains(t, errs, "a reader does not answer")
	free := relaytest.Idle()
	code, out, _ = run(t, "stop", "--config", daemonThat(t, tla.Answer{Version: 1, OK: true, Status: &free}))
	require.Equal(t, []any{0, "No session: the cards are free.\n"}, []any{code, out})
}

func TestC4TrustIsFilesOnly(t *testing.T) {
	for _, trust := range []string{
		"crls: [http://pki.example.org/crl.pem]", "anchors: [{file: https://x/y}]", "intermediates: [https://x/y]",
		"denials: https://x/y", "answers: https://x/y",
	} {
		file := filepath.Join(t.TempDir(), "relay.yaml")
		require.NoError(t, os.WriteFile(file, []byte("gateways: [gw:1]\npdt: bureau\ntrust: {"+trust+"}\n"), 0o600))
		_, err := withConfig{Config: file}.load()
		require.ErrorContains(t, err, "fetches nothing", trust)
	}
}

func TestExampleIsRead(t *testing.T) {
	c, err := withConfig{Config: "../../deploy/examples/relay.yaml"}.load()
	require.NoError(t, err)
	require.Equal(t, "bureau", c.PdT)
	require.Equal(t, cli.Path(defaultSocket), c.Control.Socket)
}

// run runs the program as a user would, in English.
func run(t *testing.T, args ...string) (code int, out, errs string) {
	t.Setenv("LC_ALL", "en_GB.UTF-8")
	var o, e bytes.Buffer
	app := &cli.App{Context: t.Context(), Stdin: strings.NewReader(""), Stdout: &o, Stderr: &e}
	code = cli.Run(app, "tla-relay", args, &grammar{}, nil)
	return code, o.String(), e.String()
}

// daemonThat runs a daemon that answers every command alike, and returns a configuration file that leads to it.
func daemonThat(t *testing.T, answer any) (config string) {
	return daemonOf(t, func(ctl.Request) any { return answer })
}

// daemonOf is like daemonThat, with an answer for each request.
func daemonOf(t *testing.T, answer func(ctl.Request) any) (config string) {
	dir := t.TempDir()
	handle := func(_ context.Context, _ string, r ctl.Request) any { return answer(r) }
	s, err := ctl.Listen(ctl.Config{Socket: filepath.Join(dir, "s"), Handle: handle})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	t.Cleanup(func() { cancel(); require.NoError(t, <-done) })
	config = filepath.Join(dir, "relay.yaml")
	require.NoError(t, os.WriteFile(config, []byte("gateways: [gw:1]\npdt: bureau\ncontrol: {socket: s}\n"), 0o600))
	return config
}

func TestUserCommands(t *testing.T) {
	up := daemonThat(t, tla.Answer{Version: 1, OK: true, Status: &tla.Status{State: tla.StateUp, PdT: relaytest.PdT,
		Session: &tla.SessionStatus{Gateway: "gw:1"}}})
	code, out, errs := run(t, "start", "--config", up)
	require.Equal(t, []any{0, "Session up with bureau.\n", ""}, []any{code, out, errs})
	code, out, _ = run(t, "status", "--json", "--config", up)
	require.Zero(t, code)
	require.Contains(t, out, `"state":"up"`)

	no := daemonThat(t, tla.Answer{Version: 1, Error: &tla.Why{Code: tla.CodePdT, Reason: "busy"}})
	code, out, errs = run(t, "start", "--config", no)
	require.Equal(t, []any{1, "", "tla-relay: The Poste de Travail ended the session: all of its readers are taken.\n"},
		[]any{code, out, errs})
	code, out, errs = run(t, "start", "--json", "--config", no)
	require.Equal(t, []any{1, ""}, []any{code, errs})
	require.Contains(t, out, `"reason":"busy"`)

	nobody := filepath.Join(t.TempDir(), "relay.yaml")
	require.NoError(t, os.WriteFile(nobody, []byte("control: {socket: s}\n"), 0o600))
	code, _, errs = run(t, "status", "--config", nobody)
	require.Equal(t, 1, code)
	require.Contains(t, errs, "is the tla-relay service running?")
}

// TestStartNamesTheCardsThatNobodySees: the session is up, so that is no failure; a user who did not wait is not told.
func TestStartNamesTheCardsThatNobodySees(t *testing.T) {
	status := relaytest.InSession(tla.StateUp)
	for _, r := range status.Readers {
		r.Card.Shown = new(false)
	}
	status.Readers[1].Card.Hold = cards.HoldBusy
	var asked []ctl.Request
	config := daemonOf(t, func(r ctl.Request) any {
		asked = append(asked, r)
		return tla.Answer{Version: 1, OK: true, Status: &status}
	})
	const up = "Session up with bureau.\n"
	code, out, errs := run(t, "start", "--config", config)
	const missing = "Programs at the Poste de Travail do not see your CPS card yet.\n" +
		"Programs at the Poste de Travail do not see the Vitale card yet: another program holds it.\n"
	require.Equal(t, []any{0, up + missing, ""}, []any{code, out, errs})
	code, out, _ = run(t, "start", "--no-wait", "--config", config)
	require.Equal(t, []any{0, up}, []any{code, out})
	require.Equal(t, []bool{true, false}, []bool{asked[0].Wait, asked[1].Wait})
	_, out, _ = run(t, "status", "--config", config)
	require.Contains(t, out, "CPS 4 card, in use by the session, not yet seen by the Poste de Travail\n")
	require.Contains(t, out, "Vitale 2 card, another program holds it\n")

	for _, r := range status.Readers { // of a PdT that does not tell, nothing is known
		r.Card.Shown = nil
	}
	_, out, _ = run(t, "start", "--config", config)
	require.Equal(t, up, out)
}

// TestC4SeatOfASealedTerminal: on a sealed device, a start is only for a person who sits at it; the configuration
// cannot say otherwise.
func TestC4SeatOfASealedTerminal(t *testing.T) {
	for _, c := range []struct {
		seat      string
		sealed    bool
		want, why string
	}{
		{"", false, "none", ""}, {"", true, "logind", ""}, {"logind", false, "logind", ""},
		{"logind", true, "logind", ""},
		{"none", false, "none", ""}, {"none", true, "", "sealed"}, {"remote", false, "", "want logind or none"},
	} {
		control := control{Seat: c.seat}
		err := control.finish(c.sealed)
		if c.why != "" {
			require.ErrorContains(t, err, c.why)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, c.want, control.Seat)
		require.Equal(t, c.want == "logind", control.local() != nil)
	}
}

// TestC4PdTsOfTheConfiguration: one or a list, not both.
func TestC4PdTsOfTheConfiguration(t *testing.T) {
	for text, want := range map[string][]string{"pdt: a": {"a"}, "pdts: [a, b]": {"a", "b"}, "pdt: a\npdts: [b]": nil} {
		file := filepath.Join(t.TempDir(), "relay.yaml")
		require.NoError(t, os.WriteFile(file, []byte("gateways: [gw:1]\n"+text+"\n"), 0o600))
		c, err := withConfig{Config: file}.load()
		if want == nil {
			require.ErrorContains(t, err, "cannot use both")
			continue
		}
		require.NoError(t, err)
		s, err := c.settings(nil)
		require.NoError(t, err)
		require.Equal(t, want, s.PdTs)
	}
}
