package siem

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"tlagate/audit"
	"tlagate/internal/address"
	"tlagate/internal/retry"
	"tlagate/pki/trust"
)

// Config says what is sent, and to whom.
type Config struct {
	Trace  string       // the log's file; the cursor is beside it
	Server address.Peer // address, and the name that its certificate must have
	Party  *trust.Party // trust of the profile Foreign; our certificate, shown if the server asks, nil = none
	App    string       // APP-NAME of the messages: the program
	Log    *slog.Logger // nil = discard

	Poll    time.Duration // how often the trace is looked at; 0 = 500 ms
	Settle  time.Duration // how long a connection must live after an acknowledgement for it to count; 0 = 2 s
	Timeout time.Duration // to connect, and for what is sent to be acknowledged; 0 = 30 s
	Recheck time.Duration // how often the server's certificate is checked again; 0 = 10 s
	First   time.Duration // pause after the first failure; 0 = 1 s
	Most    time.Duration // longest pause; 0 = 1 min

	// Dial connects to HOST:PORT by TCP; nil = a net.Dialer's.
	Dial func(ctx context.Context, hostPort string) (net.Conn, error)
}

func (c Config) withDefaults() Config {
	c.Poll = cmp.Or(c.Poll, 500*time.Millisecond)
	c.Settle = cmp.Or(c.Settle, 2*time.Second)
	c.Timeout = cmp.Or(c.Timeout, 30*time.Second)
	c.Recheck = cmp.Or(c.Recheck, 10*time.Second)
	c.First = cmp.Or(c.First, time.Second)
	c.Most = cmp.Or(c.Most, time.Minute)
	c.Log = cmp.Or(c.Log, slog.New(slog.DiscardHandler))
	if c.Dial == nil {
		c.Dial = func(ctx context.Context, hostPort string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", hostPort)
		}
	}
	return c
}

// Sender sends a trace. It is safe for concurrent use.
type Sender struct {
	cfg    Config
	origin origin
	trace  *audit.Follower // for Behind alone

	mu    sync.Mutex
	state State
	told  told
}

// told is what the log was last told, so that a SIEM that comes and goes does not fill it.
type told struct {
	why  string    // of the last failure
	at   time.Time // when something was logged; zero = never
	down bool      // that was a failure
}

// again is how soon the log is told the same failure again.
const again = 10 * time.Minute

// State is where a Sender is.
type State struct {
	Up        bool        // connected, for as long as Settle at least
	Delivered audit.Place // the last line that the SIEM has
	At        time.Time   // when that was known; zero = not since the program's start
	Behind    uint64      // how many lines come after it
	Lost      uint64      // lines that were not there any more when they were to be sent, since the program's start

	lostTo uint64 // the last of them
}

// New returns a Sender that goes on after the cursor; without one, at the first line. A cursor that cannot be read is
// logged, and all lines are sent again.
func New(c Config) *Sender {
	c = c.withDefaults()
	host, _ := os.Hostname()
	s := &Sender{cfg: c, origin: origin{host, c.App, strconv.Itoa(os.Getpid())},
		trace: audit.Follow(c.Trace, audit.Place{})}
	at, err := readCursor(c.Trace)
	if err != nil {
		c.Log.Error("cannot tell what of the trace the SIEM has: all of it is sent again", "error", err)
		at = audit.Place{}
	}
	s.state.Delivered = at
	return s
}

// State returns where the Sender is.
func (s *Sender) State() State {
	s.mu.Lock()
	now := s.state
	s.mu.Unlock()
	now.Behind = s.trace.Behind(now.Delivered.Seq)
	return now
}

func (s *Sender) delivered() audit.Place {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.Delivered
}

// Run sends until ctx ends.
func (s *Sender) Run(ctx context.Context) {
	pauses := retry.Backoff{First: s.cfg.First, Most: s.cfg.Most}
	for ctx.Err() == nil {
		before := s.delivered()
		err := s.connectAndSend(ctx)
		if ctx.Err() != nil {
			return
		}
		if wasUp := s.down(err); wasUp || s.delivered() != before {
			pauses.Reset()
		}
		retry.Sleep(ctx, retry.Jitter(pauses.Next()))
	}
}

// connectAndSend sends over one connection, until that fails or ctx ends.
func (s *Sender) connectAndSend(ctx context.Context) error {
	l, err := s.cfg.dial(ctx)
	if err != nil {
		return err
	}
	defer l.close()
	defer context.AfterFunc(ctx, func() { _ = l.tcp.SetDeadline(time.Now().Add(farewell)) })()
	r := &run{Sender: s, link: l, lines: audit.Follow(s.cfg.Trace, s.delivered()), checked: time.Now()}
	defer r.lines.Close()
	for ctx.Err() == nil {
		if err := r.step(ctx); err != nil && ctx.Err() == nil {
			return err
		}
	}
	if l.finish() {
		s.deliver(r.sent)
	}
	return ctx.Err()
}

// down notes that nothing is sent for now. A failure is logged when it is another than the last, or that was long ago.
func (s *Sender) down(err error) (wasUp bool) {
	why := err.Error()
	if op, ok := errors.AsType[*net.OpError](err); ok {
		why = op.Op + op.Err.Error() // its text has a port of ours, another each time
	}
	s.mu.Lock()
	wasUp, s.state.Up = s.state.Up, false
	news := s.told.why != why || time.Since(s.told.at) > again
	if news {
		s.told = told{why: why, at: time.Now(), down: true}
	}
	s.mu.Unlock()
	if news {
		s.cfg.Log.Warn("the SIEM does not get the trace; its lines wait on the disk", "siem", s.cfg.Server.String(),
			"error", err)
	}
	return wasUp
}

// up notes that a connection lasts. It is logged the first time, and after each failure that was.
func (s *Sender) up() {
	s.mu.Lock()
	news := s.told.down || s.told.at.IsZero()
	s.state.Up = true
	s.told.down = false
	if news {
		s.told.at = time.Now()
	}
	s.mu.Unlock()
	if news {
		s.cfg.Log.Info("the SIEM gets the trace", "siem", s.cfg.Server.String())
	}
}

// deliver moves the cursor. If that cannot be written, the lines are sent again after a restart.
func (s *Sender) deliver(at audit.Place) {
	if at.Seq == 0 {
		return
	}
	if err := writeCursor(s.cfg.Trace, at); err != nil {
		s.cfg.Log.Error("cannot note what of the trace the SIEM has: it gets lines again", "error", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Delivered, s.state.At = at, time.Now()
}

// lost notes lines that were not there any more.
func (s *Sender) lost(m *audit.Missing) {
	s.mu.Lock()
	news := m.To > s.state.lostTo
	if news {
		s.state.Lost += m.To - max(m.From-1, s.state.lostTo)
		s.state.lostTo = m.To
	}
	s.mu.Unlock()
	if news {
		s.cfg.Log.Error("lines of the trace were removed, or cannot be read, before the SIEM had them", "from", m.From,
			"to", m.To)
	}
}

// rewritten notes that the trace is not the one of which lines were sent before.
func (s *Sender) rewritten() {
	s.cfg.Log.Error("the trace is not the one that the SIEM has lines of: somebody rewrote or replaced it; " +
		"tla-gateway audit verify, and compare with the SIEM")
}

// missing returns the lines that an error is about; nil = it is about none.
func missing(err error) *audit.Missing {
	m, _ := errors.AsType[*audit.Missing](err)
	return m
}
