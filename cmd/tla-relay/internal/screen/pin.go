package screen

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"tlagate/cmd/tla-relay/internal/words"
	"tlagate/tla"
	ctl "tlagate/tla/control"
	"tlagate/tla/pin"
)

// Messages of PIN entry. None ever has a digit: while digits are typed, the terminal is taken from bubbletea (SP4).
type (
	pinOpenMsg struct { // the relay lets a PIN be entered, or not
		entry  *ctl.Entry
		close  func()
		wanted tla.PINAnswer
		refuse bool // the user does not want to enter it
		err    error
	}
	pinDoneMsg struct {
		answer tla.PINAnswer
		err    error
	}
)

// lastTry reports whether the user must say first that they are sure.
func (m model) lastTry() bool {
	if m.status == nil || m.status.PIN == nil {
		return false
	}
	p := m.status.PIN
	return !p.Pad && p.Tries == 1 && p.Number != m.pinAt
}

// pinWanted returns what opens the entry of a PIN that the relay wants; nil = none is wanted, or it is the last try.
func (m model) pinWanted() tea.Cmd {
	p := m.status.PIN
	if p == nil || p.Pad || p.Tries == 1 || p.Number == m.pinAt {
		return nil
	}
	return m.open(ctl.CommandPIN, false)
}

// pinNow has the user asked for the PIN that is wanted, once.
func (m model) pinNow() (model, tea.Cmd) {
	cmd := m.pinWanted()
	if cmd != nil {
		m.pinAt, m.pinShut = m.status.PIN.Number, false
	}
	return m, cmd
}

// openPIN answers the question about the last try: the user goes on, or refuses.
func (m model) openPIN(insist bool) (tea.Model, tea.Cmd) {
	m.pinAt, m.pinShut = m.status.PIN.Number, false
	return m, m.open(ctl.CommandPINLastTry, !insist)
}

// pinTaken reports whether a PIN is asked for that the relay did not let us enter: another client does, or the relay is
// too busy.
func (m model) pinTaken() bool {
	if m.status == nil || m.status.PIN == nil {
		return false
	}
	return !m.status.PIN.Pad && m.pinShut && m.status.PIN.Number == m.pinAt
}

// open returns what asks the relay to let us enter the PIN.
func (m model) open(command string, refuse bool) tea.Cmd {
	return func() tea.Msg {
		ctx, cancel := context.WithCancel(m.ctx)
		patience := time.AfterFunc(openTime, cancel) // another client may be answering
		defer patience.Stop()
		o := pinOpenMsg{refuse: refuse, close: cancel}
		o.entry, o.err = m.relay.enter(ctx, command, &o.wanted)
		if o.err == nil {
			o.close = func() { o.entry.Close(); cancel() }
		}
		return o
	}
}

// pinOpen has the user type the PIN; meanwhile bubbletea does not have the terminal.
func (m model) pinOpen(o pinOpenMsg) (tea.Model, tea.Cmd) {
	switch {
	case o.err != nil, !o.wanted.OK: // another client answers, or the time is over
		o.close()
		m.pinShut = true
		return m, nil
	case o.refuse:
		return m, func() tea.Msg {
			defer o.close()
			d := pinDoneMsg{}
			d.err = o.entry.Send(noPIN{}, &d.answer)
			return d
		}
	}
	p := &pinPrompt{model: m, entry: o.entry, close: o.close, wanted: *o.wanted.PIN}
	return m, tea.Exec(p, func(err error) tea.Msg { return pinDoneMsg{p.answer, err} })
}

// pinDone notes what the card answered.
func (m model) pinDone(d pinDoneMsg) model {
	var said strings.Builder
	err := d.err
	if err == nil {
		err = m.t.PINOutcome(&said, d.answer)
	}
	m.note, m.noteAt = strings.TrimSpace(said.String()), m.now
	if err != nil {
		m.note = firstLine(err.Error())
	}
	return m
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

// noPIN is an empty line, which declines.
type noPIN struct{}

func (noPIN) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write([]byte{'\n'})
	return int64(n), err
}

// pinPrompt has the terminal to itself while a PIN is typed, which goes from the terminal into locked memory, and from
// there to the relay.
type pinPrompt struct {
	model  model
	entry  *ctl.Entry
	close  func()
	wanted tla.PINRequest
	answer tla.PINAnswer

	in     *os.File
	out    io.Writer
	looked time.Time
	digits int  // typed so far
	early  bool // the last key was an Enter, before there were enough
}

// SetStdin implements tea.ExecCommand.
func (p *pinPrompt) SetStdin(r io.Reader) { p.in, _ = r.(*os.File) }

// SetStdout implements tea.ExecCommand.
func (p *pinPrompt) SetStdout(w io.Writer) { p.out = w }

// SetStderr implements tea.ExecCommand.
func (p *pinPrompt) SetStderr(io.Writer) {}

var (
	errNoTerminal = errors.New("cannot ask for a PIN: this is no terminal")
	errPINGone    = errors.New("the PIN is no longer wanted")
)

// Run draws the prompt and reads the PIN.
func (p *pinPrompt) Run() error {
	defer p.close()
	typed, err := pin.New([4]byte{}, pin.Format{Min: p.wanted.Min, Max: p.wanted.Max})
	if err != nil {
		return err
	}
	defer typed.Wipe()
	if p.in == nil {
		return errNoTerminal
	}
	before, err := term.MakeRaw(int(p.in.Fd()))
	if err != nil {
		return errNoTerminal
	}
	defer restore(p.in, before)
	fmt.Fprint(p.out, enterScreen)
	defer fmt.Fprint(p.out, leaveScreen)
	return p.read(typed)
}

// restore returns the terminal to bubbletea. Digits that were not read are thrown away: they are no keys of the screen.
func restore(in *os.File, before *term.State) {
	_ = unix.IoctlSetInt(int(in.Fd()), unix.TCFLSH, unix.TCIFLUSH)
	_ = term.Restore(int(in.Fd()), before)
}

// Control sequences for a screen of our own, without a cursor, and back.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l\x1b[2J"
	leaveScreen = "\x1b[?25h\x1b[?1049l"
)

func (p *pinPrompt) read(typed *pin.Command) error {
	keys := &ttyKeys{file: p.in, idle: p.idle}
	err := typed.Type(keys, keys.more, func(digits int, early bool) {
		p.digits, p.early = digits, early
		p.draw()
	})
	switch {
	case errors.Is(err, pin.ErrRefused):
		return p.entry.Send(noPIN{}, &p.answer)
	case errors.Is(err, errPINGone):
		p.answer = tla.PINAnswer{Error: &tla.Why{Code: tla.CodePINFailed}}
		return nil
	case err != nil:
		return err
	}
	return p.entry.Send(typed, &p.answer)
}

// idle is called while nothing is typed: it draws anew, and returns an error when the PIN is no longer wanted.
func (p *pinPrompt) idle() error {
	now := p.model.clock()
	if p.model.ctx.Err() != nil || now.After(p.wanted.Until) {
		return errPINGone
	}
	if now.Sub(p.looked) < pollTime {
		return nil
	}
	p.looked = now
	var a tla.Answer
	err := p.model.relay.ask(p.model.ctx, ctl.Request{Command: "status"}, &a)
	if err != nil || a.Status == nil || a.Status.PIN == nil || a.Status.PIN.Number != p.wanted.Number {
		return errPINGone
	}
	p.draw()
	return nil
}

// draw draws the page, with a dot for each digit.
func (p *pinPrompt) draw() {
	width, height, err := term.GetSize(int(p.in.Fd()))
	if err != nil {
		width, height = p.model.width, p.model.height
	}
	p.model.now = p.model.clock()
	text := p.model.pinPage(p.wanted, p.digits, p.early).render(width, height)
	fmt.Fprint(p.out, "\x1b[H"+strings.ReplaceAll(text, "\n", "\x1b[K\r\n")+"\x1b[K\x1b[J")
}

// pinPage is shown while a PIN is typed; early says that Enter was pressed before there were enough digits.
func (m model) pinPage(p tla.PINRequest, digits int, early bool) page {
	g := m.page(words.BigPIN, waiting, m.t.Say(words.LeadPIN, m.cardFill(p.Slot)))
	typed := m.t.Say(words.TypedSoFar, []string{"text", strings.Repeat("•", digits)})
	if early {
		typed += "  " + m.t.Say(words.TooFewDigits, []string{"n", strconv.Itoa(p.Min)})
	}
	g.parts = []paragraph{{lines: []string{typed}, bold: true}, {lines: []string{m.purpose(p)}, rank: 1}}
	tries := []string{m.t.Say(words.NeverShared, nil)}
	if p.Tries > 0 {
		tries = []string{m.t.Say(words.TriesLeft, []string{"n", strconv.Itoa(p.Tries)})}
	}
	g.parts = append(g.parts, paragraph{lines: append(tries,
		m.t.Say(words.SecondsLeft, []string{"n", seconds(p.Until.Sub(m.now))})), rank: 2})
	g.keys = m.t.Keys(words.KeyOK, words.KeyErase, words.KeyRefuse)
	return g
}

// ttyKeys reads a terminal octet by octet, straight into the caller's buffer, and calls idle while nothing comes.
type ttyKeys struct {
	file *os.File
	idle func() error
}

const (
	idleTime   = 200 * time.Millisecond
	followTime = 50 * time.Millisecond // within which the rest of a key's sequence comes
)

// Read implements io.Reader.
func (k *ttyKeys) Read(b []byte) (int, error) {
	for !k.ready(idleTime) {
		if err := k.idle(); err != nil {
			return 0, err
		}
	}
	n, err := unix.Read(int(k.file.Fd()), b[:1])
	if err == nil && n == 0 {
		err = io.EOF
	}
	return max(n, 0), err
}

func (k *ttyKeys) more() bool { return k.ready(followTime) }

func (k *ttyKeys) ready(wait time.Duration) bool {
	poll := []unix.PollFd{{Fd: int32(k.file.Fd()), Events: unix.POLLIN}}
	n, _ := unix.Poll(poll, int(wait.Milliseconds()))
	return n > 0
}
