package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"tlagate/cmd/internal/cli"
	"tlagate/tla"
	ctl "tlagate/tla/control"
	"tlagate/tla/pin"
)

// pinCmd enters one PIN (SP4): typed here, it goes through locked memory to the card, and nowhere else.
type pinCmd struct {
	place
	LastTry bool `help:"Also when the card has one try left."`
}

func (c *pinCmd) Run(app *cli.App) error {
	t := tongueOf(os.Getenv)
	socket, err := userCmd{place: c.place}.socket()
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
		return t.trouble(err)
	}
	defer entry.Close()
	if !wanted.OK {
		return errors.New(t.whyOf(command, wanted.Error, ""))
	}
	return c.enter(app, t, entry, wanted.PIN)
}

func (c *pinCmd) enter(app *cli.App, t tongue, entry *ctl.Entry, wanted *tla.PINRequest) error {
	typed, err := pin.New([4]byte{}, pin.Format{Min: wanted.Min, Max: wanted.Max})
	if err != nil {
		return err
	}
	defer typed.Wipe()
	fmt.Fprint(app.Stdout, t.pinPrompt(wanted))
	restore := silence(app.Stdin)
	n, err := typed.ReadFrom(app.Stdin)
	restore()
	fmt.Fprintln(app.Stdout)
	if err != nil && (n > 1 || !errors.Is(err, pin.ErrLength)) {
		return errors.New(t.why(&tla.Why{Code: tla.CodeBadPIN}, ""))
	}
	var answer tla.PINAnswer // an empty line is a no
	if err := entry.Send(typed, &answer); err != nil {
		return t.trouble(err)
	}
	return t.pinOutcome(app.Stdout, answer)
}

// silence turns a terminal's echo off. What is left of a line that was no PIN is thrown away with it: the shell must not read it.
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

func (t tongue) pinPrompt(p *tla.PINRequest) string {
	prompt := lines.pin
	if p.Tries > 0 {
		prompt = lines.pinTries
	}
	card, pdt := t.say(cardNames[p.Slot], nil), t.who(p.PdT, "")
	return t.say(prompt, []string{"card", card, "pdt", pdt, "n", strconv.Itoa(p.Tries)})
}

// pinOutcome puts the card's status word into words.
func (t tongue) pinOutcome(w io.Writer, a tla.PINAnswer) error {
	switch {
	case !a.OK:
		return errors.New(t.whyOf(ctl.CommandPIN, a.Error, ""))
	case a.Result == "9000":
		fmt.Fprintln(w, t.say(pinGood, nil))
		return nil
	case a.Result == "6983", a.Result == "63c0":
		return errors.New(t.say(pinBlocked, nil))
	case len(a.Result) == 4 && a.Result[:3] == "63c":
		tries, _ := strconv.ParseUint(a.Result[3:], 16, 8)
		return errors.New(t.say(pinWrong, []string{"n", strconv.FormatUint(tries, 10)}))
	}
	return errors.New(t.say(pinRefused, []string{"answer", a.Result}))
}
