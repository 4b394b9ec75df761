package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/cmd/internal/cli"
	"tlagate/dialer"
	"tlagate/pki"
	"tlagate/session"
	"tlagate/session/link"
	"tlagate/tla"
	ctl "tlagate/tla/control"
)

var tongues = map[string]tongue{"fr": french, "en": english}

func TestTongueFollowsTheLocale(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want tongue
	}{
		{map[string]string{}, french},
		{map[string]string{"LANG": "C"}, french},
		{map[string]string{"LANG": "en_GB.UTF-8"}, english},
		{map[string]string{"LANG": "fr_FR.UTF-8"}, french},
		{map[string]string{"LANG": "fr_FR.UTF-8", "LC_MESSAGES": "en_US.UTF-8"}, english},
		{map[string]string{"LANG": "en_US.UTF-8", "LC_ALL": "fr_FR.UTF-8"}, french},
	} {
		require.Equal(t, c.want, tongueOf(func(name string) string { return c.env[name] }), "%v", c.env)
	}
}

// TestEveryWhyHasASentence: no code of a peer, a gateway or ours is shown bare, nor with a hole in it.
func TestEveryWhyHasASentence(t *testing.T) {
	for _, w := range everyWhy() {
		for name, tongue := range tongues {
			text := tongue.why(&w, "")
			require.NotContains(t, text, "{", "%s %v", name, w)
			require.NotContains(t, text, tongue.say(unknown, nil), "%s %v", name, w)
		}
		if table, ok := reasons[w.Code]; ok && w.Reason != "" {
			require.Contains(t, table, w.Reason, "it would be shown bare")
		}
	}
}

func everyWhy() (all []tla.Why) {
	for code := range whys {
		if _, more := reasons[code]; !more {
			all = append(all, tla.Why{Code: code})
		}
	}
	for _, r := range append([]pki.Reason{""}, pki.Reasons...) {
		all = append(all, tla.Why{Code: tla.CodeRefused, Reason: string(r)}, tla.Why{Code: tla.CodeRejected, Reason: string(r)})
	}
	for _, r := range dialer.Reasons {
		all = append(all, tla.Why{Code: tla.CodeProxy, Reason: string(r), Peer: "proxy:3128"})
	}
	for code := range link.Statuses {
		all = append(all, tla.Why{Code: tla.CodeProblem, Reason: string(code)})
	}
	for _, code := range session.ByeCodes {
		all = append(all, tla.Why{Code: tla.CodePdT, Reason: string(code)})
	}
	for _, code := range link.Codes {
		all = append(all, tla.Why{Code: tla.CodeNotice, Reason: string(code)})
	}
	for reason := range reasons[tla.CodeSeal] {
		all = append(all, tla.Why{Code: tla.CodeSeal, Reason: reason})
	}
	return all
}

func TestPlainSentences(t *testing.T) {
	w := &tla.Why{Code: tla.CodeProblem, Reason: "pdt_absent", Gateway: "gw:8443", Detail: "No parked link."}
	require.Equal(t, "Le service de votre opérateur a refusé la session : le Poste de Travail n'est pas connecté.", french.why(w, ""))
	require.Equal(t, "Your operator's service refused the session: the Poste de Travail is not connected.", english.why(w, ""))
}

func TestStatusPage(t *testing.T) {
	var b bytes.Buffer
	french.status(&b, &tla.Status{State: tla.StateUp, PdT: testPdT, Session: &tla.SessionStatus{
		Gateway: "gw:1", GatewayIdentity: "urn:g",
		PdTTLS: &pki.Negotiated{Version: "TLS 1.3", Suite: "S", Group: "G"}},
		Readers: []tla.ReaderStatus{
			{Name: "A", Card: &tla.CardStatus{Kind: tla.KindVitale2, Role: "vitale", Use: tla.UseSlot, Hold: tla.HoldBusy}},
			{Name: "B", Card: &tla.CardStatus{Kind: tla.KindCPS4, Role: "cps", Use: tla.UseSecond}}, {Name: "\x1b[31mC\u202e\x07"}},
		Last: &tla.End{Why: tla.Why{Code: tla.CodeStopped}}, Certificate: time.Now()})
	for _, part := range []string{"session ouverte", "Chiffrement jusqu'au Poste de Travail\u00a0: TLS 1.3, G, S\n",
		"Travail\u00a0: bureau",
		"A\u00a0: carte Vitale 2, un autre programme l'occupe",
		"B\u00a0: carte CPS 4, ignorée", "31mC\u00a0: vide"} {
		require.Contains(t, b.String(), part)
	}
	for _, part := range []string{"gw:1", "urn:", "\x1b", "\u202e", "Dernière session"} {
		require.NotContains(t, b.String(), part)
	}
}

// TestStatusPageWithoutASession: how the last one ended, in the words of its kind of end.
func TestStatusPageWithoutASession(t *testing.T) {
	for _, c := range []struct {
		last tla.End
		want string
	}{
		{tla.End{Why: tla.Why{Code: tla.CodeStopped}, Started: true}, "Session terminée par l'utilisateur."},
		{tla.End{Why: tla.Why{Code: tla.CodeStopped}}, "Démarrage abandonné par l'utilisateur."},
		{tla.End{Why: tla.Why{Code: tla.CodeLost, Incident: "K7M2", Gateway: "gw:1", Detail: "EOF"}, Started: true}, "La connexion a été perdue.\nVérifiez le réseau"},
	} {
		var b bytes.Buffer
		s := idle()
		s.Last, s.PCSC, s.Problem = &c.last, "cannot reach the PC/SC service", "cannot find our own certificate"
		s.Storage = "cannot write: no space left"
		french.status(&b, &s)
		require.Contains(t, b.String(), "Dernière session\u00a0: 0001-01-01 00:00:00 - "+c.want)
		require.Contains(t, b.String(), "Le service des lecteurs de cartes ne répond pas.\n")
		require.Contains(t, b.String(), "Ce terminal ne peut plus tenir son journal")
		require.NotRegexp(t, "cannot|EOF|gw:1", b.String())
	}
}

// TestStopTellsOfACardThatIsNotFree: what the user is told then is no lie, and the exit status says so, too.
func TestStopTellsOfACardThatIsNotFree(t *testing.T) {
	s := idle()
	s.Readers[0].Card.Hold = tla.HoldStuck
	code, out, errs := run(t, "stop", "--config", daemonThat(t, tla.Answer{Version: 1, OK: true, Status: &s}))
	require.Equal(t, []any{1, ""}, []any{code, out})
	require.Contains(t, errs, "a reader does not answer")
	free := idle()
	code, out, _ = run(t, "stop", "--config", daemonThat(t, tla.Answer{Version: 1, OK: true, Status: &free}))
	require.Equal(t, []any{0, "No session: the cards are free.\n"}, []any{code, out})
}

func TestC4TrustIsFilesOnly(t *testing.T) {
	for _, trust := range []string{
		"crls: [http://pki.example.org/crl.pem]", "anchors: [{file: https://x/y}]", "intermediates: [https://x/y]",
	} {
		file := filepath.Join(t.TempDir(), "relay.yaml")
		require.NoError(t, os.WriteFile(file, []byte("gateways: [gw:1]\npdt: bureau\ntrust: {"+trust+"}\n"), 0o600))
		_, err := place{Config: file}.load()
		require.ErrorContains(t, err, "fetches nothing", trust)
	}
}

func TestExampleIsRead(t *testing.T) {
	c, err := place{Config: "../../deploy/examples/relay.yaml"}.load()
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

// daemonThat gives every command one answer, and a configuration file that leads to it.
func daemonThat(t *testing.T, answer any) (config string) {
	return daemonOf(t, func(ctl.Request) any { return answer })
}

// daemonOf answers as asked.
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

// TestGivingUpIsSaidOfWhatWasGivenUp: a PIN, a test and a start are not the same.
func TestGivingUpIsSaidOfWhatWasGivenUp(t *testing.T) {
	for command, want := range map[string]string{"start": "Démarrage abandonné", "check": "Test abandonné", ctl.CommandPIN: "Vous avez refusé de donner le code porteur"} {
		require.Contains(t, french.whyOf(command, &tla.Why{Code: tla.CodeCancelled}, ""), want)
	}
	require.Contains(t, french.whyOf("start", &tla.Why{Code: tla.CodeStopped}, ""), "Démarrage abandonné", "by a stop")
	require.Contains(t, french.whyOf("check", &tla.Why{Code: tla.CodeStopped}, ""), "Test abandonné")
}

func TestUserCommands(t *testing.T) {
	up := daemonThat(t, tla.Answer{Version: 1, OK: true, Status: &tla.Status{State: tla.StateUp, PdT: testPdT,
		Session: &tla.SessionStatus{Gateway: "gw:1"}}})
	code, out, errs := run(t, "start", "--config", up)
	require.Equal(t, []any{0, "Session up with bureau.\n", ""}, []any{code, out, errs})
	code, out, _ = run(t, "status", "--json", "--config", up)
	require.Zero(t, code)
	require.Contains(t, out, `"state":"up"`)

	no := daemonThat(t, tla.Answer{Version: 1, Error: &tla.Why{Code: tla.CodePdT, Reason: "busy"}})
	code, out, errs = run(t, "start", "--config", no)
	require.Equal(t, []any{1, "", "tla-relay: The Poste de Travail ended the session: all of its readers are taken.\n"}, []any{code, out, errs})
	code, out, errs = run(t, "start", "--json", "--config", no)
	require.Equal(t, []any{1, ""}, []any{code, errs})
	require.Contains(t, out, `"reason":"busy"`)

	nobody := filepath.Join(t.TempDir(), "relay.yaml")
	require.NoError(t, os.WriteFile(nobody, []byte("control: {socket: s}\n"), 0o600))
	code, _, errs = run(t, "status", "--config", nobody)
	require.Equal(t, 1, code)
	require.Contains(t, errs, "is the tla-relay service running?")
}

// TestStartNamesTheCardsThatNobodySees: the session is up, so that is no failure; who did not wait is not told.
func TestStartNamesTheCardsThatNobodySees(t *testing.T) {
	status := inSession(tla.StateUp)
	for _, r := range status.Readers {
		r.Card.Shown = new(false)
	}
	status.Readers[1].Card.Hold = tla.HoldBusy
	var asked []ctl.Request
	config := daemonOf(t, func(r ctl.Request) any {
		asked = append(asked, r)
		return tla.Answer{Version: 1, OK: true, Status: &status}
	})
	const up = "Session up with bureau.\n"
	code, out, errs := run(t, "start", "--config", config)
	const missing = "Programs at the Poste de Travail do not see your CPS card yet.\n" +
		"Programs at the Poste de Travail do not see your Vitale card yet: another program holds it.\n"
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

// TestC4SeatOfASealedTerminal: sealed, a start is for whoever sits at the machine; the configuration cannot say otherwise.
func TestC4SeatOfASealedTerminal(t *testing.T) {
	for _, c := range []struct {
		seat      string
		sealed    bool
		want, why string
	}{
		{"", false, "none", ""}, {"", true, "logind", ""}, {"logind", false, "logind", ""}, {"logind", true, "logind", ""},
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
		c, err := place{Config: file}.load()
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
