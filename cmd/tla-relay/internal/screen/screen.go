// Package screen is the professional's screen: a client of the control socket, as an OEM's screen would be
// (docs/control.md).
package screen

import (
	"context"
	"errors"
	"io"
	"os"

	tea "charm.land/bubbletea/v2"
	"golang.org/x/sys/unix"

	"tlagate/cmd/tla-relay/internal/words"
	"tlagate/tla"
	ctl "tlagate/tla/control"
)

// Show shows, on a terminal, the screen of the relay behind a control socket, until Ctrl-C or the end of ctx; a session
// goes on without it.
func Show(ctx context.Context, t words.Tongue, socket string, in *os.File, out io.Writer) error {
	numLock(in)
	m := newModel(ctx, t, socketLink(socket))
	_, err := tea.NewProgram(m, tea.WithContext(ctx), tea.WithInput(in), tea.WithOutput(out),
		tea.WithoutSignalHandler()).Run()
	if ctx.Err() != nil && errors.Is(err, tea.ErrProgramKilled) {
		return nil
	}
	return err
}

// relayLink is the relay as the screen sees it.
type relayLink interface {
	ask(ctx context.Context, r ctl.Request, answer *tla.Answer) error
	enter(ctx context.Context, command string, wanted *tla.PINAnswer) (*ctl.Entry, error)
}

// socketLink is the relay behind a control socket.
type socketLink string

func (s socketLink) ask(ctx context.Context, r ctl.Request, answer *tla.Answer) error {
	return ctl.AskFor(ctx, string(s), r, answer)
}

func (s socketLink) enter(ctx context.Context, command string, wanted *tla.PINAnswer) (*ctl.Entry, error) {
	return ctl.Enter(ctx, string(s), command, wanted)
}

// ioctls of a Linux console (ioctl_console(2)), and NumLock in their flags: the present one, and the one after a reset.
const (
	kdGetFlags  = 0x4B64 // KDGKBLED
	kdSetFlags  = 0x4B65 // KDSKBLED
	kdNumLock   = 0x02
	kdNumLockBy = 0x20
)

// numLock turns NumLock on if in is a Linux console: without it a numeric keypad, which may be all there is, types no
// digits.
func numLock(in *os.File) {
	if flags, err := unix.IoctlGetInt(int(in.Fd()), kdGetFlags); err == nil {
		_ = unix.IoctlSetInt(int(in.Fd()), kdSetFlags, flags&0x77|kdNumLock|kdNumLockBy)
	}
}
