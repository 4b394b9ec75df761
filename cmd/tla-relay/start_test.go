package main

import (
	"bytes"
	"context"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/cmd/internal/cli"
	"tlagate/tla"
	ctl "tlagate/tla/control"
)

// TestC2AStartAsksForTheCodeItWants: tla-relay start asks at its terminal, again after a wrong code, and only while the
// start lasts.
func TestC2AStartAsksForTheCodeItWants(t *testing.T) {
	t.Setenv("LC_ALL", "fr_FR")
	wants, typed := make(chan tla.PINRequest, 9), make(chan string, 9)
	socket := filepath.Join(t.TempDir(), "s")
	server, err := ctl.Listen(ctl.Config{Socket: socket,
		Handle: func(context.Context, string, ctl.Request) any { return nil },
		PIN: func(ctx context.Context, insist bool, say func(any) error, in io.Reader, _ func(time.Time)) any {
			select {
			case w := <-wants:
				if w.Tries == 1 && !insist {
					wants <- w
					return tla.PINAnswer{Version: tla.Version, Error: &tla.Why{Code: tla.CodeLastTry}, PIN: &w}
				}
				if say(tla.PINAnswer{Version: tla.Version, OK: true, PIN: &w}) != nil {
					return nil
				}
				line := make([]byte, 9)
				n, _ := in.Read(line)
				typed <- string(line[:n])
				answer := map[bool]string{true: "9000", false: "63c1"}[insist]
				return tla.PINAnswer{Version: tla.Version, OK: true, Result: answer}
			case <-ctx.Done():
				return nil
			}
		}})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error)
	go func() { served <- server.Serve(ctx) }()
	defer func() { cancel(); <-served }()

	keyboard, tty := terminal(t)
	out := new(output)
	stop := asker{app: &cli.App{Context: t.Context(), Stdin: tty, Stdout: out}, socket: socket}.beside()
	wants <- tla.PINRequest{For: tla.PINForStart, Slot: "cps", Min: 4, Max: 8, Tries: 2}
	out.says(t, "Code porteur de votre carte CPS, pour ouvrir la session, 2 essais restants")
	_, err = keyboard.WriteString("0000\n")
	require.NoError(t, err)
	require.Equal(t, "0000\n", <-typed)
	out.says(t, "Code porteur faux : il reste 1 essai.")
	wants <- tla.PINRequest{For: tla.PINForStart, Slot: "cps", Min: 4, Max: 8, Tries: 1}
	out.says(t, "Il ne reste qu'un essai")
	out.says(t, "1 essai restant")
	_, err = keyboard.WriteString("7391\n")
	require.NoError(t, err)
	require.Equal(t, "7391\n", <-typed)
	out.says(t, "Code porteur correct.")
	wants <- tla.PINRequest{For: tla.PINForStart, Slot: "cps", Min: 4, Max: 8, Tries: 3}
	out.says(t, "3 essais restants")
	stop() // though nobody has typed anything
	require.NotContains(t, out.String(), "0000")
	require.NotContains(t, out.String(), "7391")
}

// TestC2AStartWithoutATerminalSaysWhereToEnterTheCode: it waits for somebody, who has to know.
func TestC2AStartWithoutATerminalSaysWhereToEnterTheCode(t *testing.T) {
	t.Setenv("LC_ALL", "fr_FR")
	socket := filepath.Join(t.TempDir(), "s")
	asked := tla.Answer{Version: tla.Version, OK: true, Status: &tla.Status{PIN: &tla.PINRequest{Slot: "cps"}}}
	server, err := ctl.Listen(ctl.Config{Socket: socket,
		Handle: func(context.Context, string, ctl.Request) any { return asked }})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error)
	go func() { served <- server.Serve(ctx) }()
	defer func() { cancel(); <-served }()

	out := new(output)
	app := &cli.App{Context: t.Context(), Stdin: strings.NewReader(""), Stderr: out}
	stop := asker{app: app, socket: socket}.beside()
	out.says(t, "Le code porteur de la carte CPS est demandé : entrez-le avec tla-relay pin.")
	stop()
}

// output is what a command prints.
type output struct {
	mu   sync.Mutex // protects the rest
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func (o *output) says(t *testing.T, what string) {
	t.Helper()
	require.Eventually(t, func() bool { return bytes.Contains([]byte(o.String()), []byte(what)) }, 2*time.Minute,
		time.Millisecond, what)
}

// TestC2AStartWithoutATerminalAsksNobody: another client of the control socket does.
func TestC2AStartWithoutATerminalAsksNobody(t *testing.T) {
	stop := asker{app: &cli.App{Context: t.Context(), Stdin: new(bytes.Buffer)}, socket: "/nonexistent"}.beside()
	stop()
}
