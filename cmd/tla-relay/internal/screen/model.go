package screen

import (
	"context"
	"errors"
	"time"

	tea "charm.land/bubbletea/v2"

	"tlagate/cmd/tla-relay/internal/words"
	"tlagate/tla"
	ctl "tlagate/tla/control"
)

// Times of the screen.
const (
	pollTime  = time.Second            // between two looks at the relay
	quickTime = 200 * time.Millisecond // while something happens
	// how long after a session's end Enter starts none: it may have been meant for what was shown before
	deafTime = time.Second
	noteTime = 10 * time.Second // how long the card's answer to a PIN is shown
	openTime = 2 * time.Second  // for the relay to let a PIN be entered
)

// model is what the screen knows. Only Update changes it, and has no effect but through the commands that it returns.
type model struct {
	t     words.Tongue
	relay relayLink
	ctx   context.Context
	clock func() time.Time

	width, height int
	now           time.Time   // at the last message
	status        *tla.Status // nil = none seen yet
	down          error       // why there is no newer status

	choice    int      // in status.PdTs
	busy      string   // command under way: start, check; "" = none
	stopping  bool     // the user is asked whether to end the session
	failed    *tla.Why // of the last start or check that could not be made
	failedAt  time.Time
	fault     *ctl.Fault     // of the last command
	rehearsal *tla.Rehearsal // to be shown
	seen      time.Time      // end of the session whose end the user has seen
	endedAt   time.Time      // when the session was seen to be over
	note      string         // what became of a PIN
	noteAt    time.Time
	pinAt     uint64 // number of the PIN request that is being answered; 0 = none
	pinShut   bool   // the relay did not let us answer it
}

// Messages.
type (
	statusMsg struct {
		answer tla.Answer
		err    error
	}
	pollMsg struct{}
	doneMsg struct { // a command has ended
		command string
		answer  tla.Answer
		err     error
	}
)

func newModel(ctx context.Context, t words.Tongue, relay relayLink) model {
	return model{ctx: ctx, t: t, relay: relay, clock: time.Now, now: time.Now()}
}

// Init returns the command that first asks the relay for its status.
func (m model) Init() tea.Cmd { return m.look() }

func (m model) look() tea.Cmd {
	return func() tea.Msg {
		var s statusMsg
		s.err = m.relay.ask(m.ctx, ctl.Request{Command: "status"}, &s.answer)
		return s
	}
}

// do returns what has the relay execute a command.
func (m model) do(command string) tea.Cmd {
	r := ctl.Request{Command: command}
	if command == "start" || command == "check" {
		r.PdT, r.Wait = m.chosen(), command == "start" // a start then ends when programs see the cards
	}
	return func() tea.Msg {
		d := doneMsg{command: command}
		d.err = m.relay.ask(m.ctx, r, &d.answer)
		return d
	}
}

// chosen returns the PdT that the user has chosen; "" = there is no choice.
func (m model) chosen() string {
	if m.status == nil || len(m.status.PdTs) < 2 || m.choice >= len(m.status.PdTs) {
		return ""
	}
	return m.status.PdTs[m.choice]
}

// Update takes in what has happened.
func (m model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	m.now = m.clock()
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case pollMsg:
		return m, m.look()
	case statusMsg:
		return m.looked(msg)
	case doneMsg:
		return m.done(msg)
	case pinOpenMsg:
		return m.pinOpen(msg)
	case pinDoneMsg:
		return m.pinDone(msg), nil
	case tea.KeyPressMsg:
		return m.key(keyOf(msg.Key()))
	}
	return m, nil
}

// looked takes in the relay's status, and has it asked for again.
func (m model) looked(s statusMsg) (tea.Model, tea.Cmd) {
	m.down = s.err
	if s.err == nil && s.answer.Status == nil {
		m.down = errors.New("no status")
	}
	if m.down != nil {
		return m, again(pollTime)
	}
	before := m.state()
	m.status = s.answer.Status
	if running(before) && !running(m.state()) {
		m.stopping, m.endedAt = false, m.now
	}
	m.choice = min(m.choice, max(0, len(m.status.PdTs)-1))
	if next, cmd := m.pinNow(); cmd != nil {
		return next, tea.Batch(cmd, again(m.pace()))
	}
	return m, again(m.pace())
}

// running reports whether there is a session, with or without a link.
func running(s tla.State) bool { return s == tla.StateUp || s == tla.StateReconnecting }

func again(d time.Duration) tea.Cmd { return tea.Tick(d, func(time.Time) tea.Msg { return pollMsg{} }) }

// pace returns how long to wait before the next look: less while something happens.
func (m model) pace() time.Duration {
	if m.state() == tla.StateIdle || m.state() == tla.StateUp {
		return pollTime
	}
	return quickTime
}

// state returns the state of the relay, or the one that a command just given leads to.
func (m model) state() tla.State {
	if m.status == nil {
		return ""
	}
	if m.status.State == tla.StateIdle && m.busy != "" {
		return map[string]tla.State{"start": tla.StateStarting, "check": tla.StateRehearsing}[m.busy]
	}
	return m.status.State
}

// done takes in the end of a command.
func (m model) done(d doneMsg) (tea.Model, tea.Cmd) {
	if d.command == m.busy {
		m.busy = ""
	}
	if f, ok := errors.AsType[*ctl.Fault](d.err); ok {
		m.fault = f
		return m, nil
	}
	if d.err != nil {
		m.down = d.err
		return m, nil
	}
	m.status = d.answer.Status
	switch {
	case d.command == "check" && d.answer.Rehearsal != nil:
		m.rehearsal = d.answer.Rehearsal
	case !d.answer.OK && d.answer.Error != nil && !wanted(d.answer.Error.Code):
		m.failed, m.failedAt = d.answer.Error, m.now
	}
	if m.status != nil && m.status.Last != nil && d.command != "stay" && d.command != "stop" {
		m.seen = m.status.Last.At // the answer itself says what is shown now
	}
	return m, nil
}

// wanted reports whether the user wanted that end, so that it needs no words.
func wanted(c tla.Code) bool { return c == tla.CodeStopped || c == tla.CodeCancelled }

// trouble returns what the user is to be told of the last start or session; lost says that it was up.
func (m model) trouble() (w *tla.Why, at time.Time, lost bool) {
	if m.failed != nil {
		return m.failed, m.failedAt, false
	}
	if s := m.status; s != nil && s.Last != nil && !wanted(s.Last.Code) && !s.Last.At.Equal(m.seen) {
		return &s.Last.Why, s.Last.At, s.Last.Started
	}
	return nil, time.Time{}, false
}
