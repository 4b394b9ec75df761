package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"tlagate/cmd/internal/cli"
	"tlagate/cmd/tla-relay/internal/words"
	"tlagate/tla"
	ctl "tlagate/tla/control"
	"tlagate/tla/pin"
)

// pinCmd enters one PIN (SP4). What is typed here goes through locked memory to the card, and nowhere else.
type pinCmd struct {
	withConfig
	LastTry bool `help:"Also when the card has one try left."`
}

func (c *pinCmd) Run(app *cli.App) error {
	t := words.TongueOf(os.Getenv)
	socket, err := userCmd{withConfig: c.withConfig}.socket()
	if err != nil {
		return err
	}
	command := ctl.CommandPIN
	if c.LastTry {
		command = ctl.CommandPINLastTry
	}
	var wanted tla.PINAnswer
	entry, err := ctl.Enter(app.Context, socket, command, &wanted)
	if err != nil {
		return t.Trouble(err)
	}
	defer entry.Close()
	if !wanted.OK {
		return errors.New(t.WhyOf(command, wanted.Error, ""))
	}
	return enter(app, app.Stdin, t, entry, wanted.PIN)
}

// enter prompts for a PIN, reads it from in, which is standard input in some guise, and says what the card answered.
func enter(app *cli.App, in io.Reader, t words.Tongue, entry *ctl.Entry, wanted *tla.PINRequest) error {
	typed, err := pin.New([4]byte{}, pin.Format{Min: wanted.Min, Max: wanted.Max})
	if err != nil {
		return err
	}
	defer typed.Wipe()
	fmt.Fprint(app.Stdout, t.PINPrompt(wanted))
	restore := silence(app.Stdin)
	n, err := typed.ReadFrom(in)
	restore()
	fmt.Fprintln(app.Stdout)
	if err != nil && (n > 1 || !errors.Is(err, pin.ErrLength)) {
		return errors.New(t.Why(&tla.Why{Code: tla.CodeBadPIN}, ""))
	}
	var answer tla.PINAnswer // an empty line is sent, too: it declines
	if err := entry.Send(typed, &answer); err != nil {
		return t.Trouble(err)
	}
	return t.PINOutcome(app.Stdout, answer)
}

// silence turns a terminal's echo off. Input that was not read is thrown away then and at restore: the shell must not
// read the rest of a line that was no PIN.
func silence(in io.Reader) (restore func()) {
	f, ok := in.(*os.File)
	if !ok {
		return func() {}
	}
	before, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		return func() {} // no terminal
	}
	quiet := *before
	quiet.Lflag &^= unix.ECHO
	_ = unix.IoctlSetTermios(int(f.Fd()), unix.TCSETSF, &quiet)
	return func() { _ = unix.IoctlSetTermios(int(f.Fd()), unix.TCSETSF, before) }
}
