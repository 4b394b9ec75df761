package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"tlagate/cmd/internal/cli"
	"tlagate/cmd/tla-relay/internal/words"
	"tlagate/internal/retry"
	"tlagate/tla"
	ctl "tlagate/tla/control"
)

// asker asks for the code by which the user proves who they are, while a start of theirs is under way (C2). Where there
// is no terminal to ask at, another client of the control socket has to: tla-relay ui, or tla-relay pin.
type asker struct {
	app    *cli.App
	socket string
	tty    *os.File
}

// beside asks until stop is called, which returns when nothing is asked any more.
func (a asker) beside() (stop func()) {
	asks := a.tell
	if in, ok := a.app.Stdin.(*os.File); ok && term.IsTerminal(int(in.Fd())) {
		a.tty = in
		asks = a.ask
	}
	ctx, cancel := context.WithCancel(a.app.Context)
	over := make(chan struct{})
	go func() { defer close(over); asks(ctx) }()
	return func() { cancel(); <-over }
}

// ask asks for each code that is wanted.
func (a asker) ask(ctx context.Context) {
	for ctx.Err() == nil && a.once(ctx) == nil {
	}
}

// lookTime is how often tell looks whether a code is wanted.
const lookTime = 500 * time.Millisecond

// tell says once that a code is wanted, and where to enter it: somebody waits for us, and does not know why.
func (a asker) tell(ctx context.Context) {
	for retry.Sleep(ctx, lookTime) {
		var now tla.Answer
		err := ctl.AskFor(ctx, a.socket, ctl.Request{Command: "status"}, &now)
		if err == nil && now.Status != nil && now.Status.PIN != nil {
			fmt.Fprintln(a.app.Stderr, words.TongueOf(os.Getenv).PINAsked(now.Status.PIN))
			return
		}
	}
}

// once waits for one code to be wanted, and asks for it. The error says that it is of no use to go on.
func (a asker) once(ctx context.Context) error {
	t := words.TongueOf(os.Getenv)
	command := ctl.CommandPIN
	for {
		var wanted tla.PINAnswer
		entry, err := ctl.Enter(ctx, a.socket, command, &wanted)
		if err != nil {
			return err
		}
		defer entry.Close()
		switch {
		case wanted.OK:
			err := enter(a.app, keyboard{ctx, a.tty}, t, entry, wanted.PIN)
			if err != nil && ctx.Err() == nil {
				fmt.Fprintln(a.app.Stdout, err)
			}
			return nil
		case wanted.Error.Code == tla.CodeNoPIN:
			return nil
		case wanted.Error.Code == tla.CodeLastTry && command == ctl.CommandPIN:
			fmt.Fprintln(a.app.Stdout, t.Say(words.LeadLast, t.CardFill(wanted.PIN.Slot)))
			command = ctl.CommandPINLastTry
		default:
			return errors.New(string(wanted.Error.Code))
		}
	}
}

// keyboard reads a terminal until ctx ends.
type keyboard struct {
	ctx context.Context
	tty *os.File
}

// keyTime is how often a read looks whether it is still wanted, in milliseconds.
const keyTime = 100

// Read implements io.Reader.
func (k keyboard) Read(b []byte) (int, error) {
	poll := []unix.PollFd{{Fd: int32(k.tty.Fd()), Events: unix.POLLIN}}
	for k.ctx.Err() == nil {
		if n, _ := unix.Poll(poll, keyTime); n > 0 {
			return k.tty.Read(b)
		}
	}
	return 0, k.ctx.Err()
}
