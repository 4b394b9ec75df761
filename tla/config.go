package tla

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"tlagate/dialer"
	"tlagate/pki"
	"tlagate/pki/trust"
	"tlagate/session"
	"tlagate/session/link"
	"tlagate/tla/cards"
	"tlagate/tla/policy"
)

// Config configures a Relay. It must not be changed afterwards.
type Config struct {
	Gateways []string // as address.Server reads them, tried in this order; at least one
	// what the user may choose from, at least one; the first unless they name another. URNs, or bare names of our own
	// practice
	PdTs    []string
	Party   *trust.Party   // our client certificate, and the peers that we trust
	Readers *cards.Readers // the caller runs it
	Timers  Timers         // zero = the defaults
	Policy  *policy.Policy // which commands may reach a card (C1)
	Log     *slog.Logger   // nil = discard
	Clock   *Clock         // what is known of the time; nil = nothing, and the machine's is taken for right
	Bundle  Bundle         // the signed configuration we work with; nil = none

	// During are run beside a session that is up, each once for every link of it, with the gateway (host:port) of that
	// link, which they may connect to. They must return, with their sockets closed, when ctx ends: the session waits
	// for that. Without a session none is ever run (C4).
	During []func(ctx context.Context, gateway string)

	// Home is run beside a session that is up, once for every link of it whose gateway takes lines of our trace
	// (link.Conn.WriteTrace), with the session's id. It must return when ctx ends, which is when the link does; nil =
	// nothing is run.
	Home func(ctx context.Context, session string, to *link.Conn)

	// Dial connects to a gateway ("tcp", host:port). Nothing but a start calls it. nil = [dialer.Direct].
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// Trace is called for each session that is up, ended or failed, and for each rehearsal, before its user is told;
	// nil = nothing is called. It must return soon.
	Trace func(Event)

	// Storage returns what keeps the relay from writing what it must keep, for Status; nil or "" = nothing.
	Storage func() string

	// Ahead is how many answers of a card may be on their way to the PdT before its programs ask for them; 0 = none.
	Ahead int

	// Software is what gateways are told of our program; zero = nothing.
	Software link.Software

	// Renewal returns how the renewal of our certificate stands, for Status; nil = nothing is known of it.
	Renewal func() Renewal

	instance string // of this relay, for gateways: how they notice another with our certificate
}

// Timers of a relay; zero means the default.
type Timers struct {
	Dial    time.Duration // to connect to a gateway, 5 s
	Open    time.Duration // for the gateway to let us in and join the PdT, 10 s
	Hello   time.Duration // for the PdT, each of TLS and hello, 10 s
	Take    time.Duration // to take a card, 5 s
	Command time.Duration // for a card to execute one command, 60 s
	PIN     time.Duration // for the user to enter a PIN, 50 s, less than Command
	User    time.Duration // for the user to prove who they are, in one start, 2 min, which is also the most
	// how long the card of a user who did so may be out, 10 s; with one reader, where the Vitale card takes its place,
	// 5 min
	CardOut, CardOutSingle time.Duration

	Absolute time.Duration // length of a session, 12 h, which is also the most
	Inactive time.Duration // without a command, until the session ends (SA4), 10 min; 15 at most
	// of the link and of the card session, 3 s; after three times that without a sign of life the link is lost
	Heartbeat time.Duration
	Grace     time.Duration // to get a lost link back, 30 s; 1 min at most
	Redial    time.Duration // longest pause before the first such try, 250 ms; doubles with each, up to RedialMax
	RedialMax time.Duration // 2 s
	// without an act of the user, whatever programs do, until the session ends (SA4), 15 min, which is also the most
	Human   time.Duration
	Ask     time.Duration // how long before that the user is asked to stay, 1 min
	Warn    time.Duration // how long before any end that can be foreseen the user is warned, 1 min
	Release time.Duration // for a card to be released at the end, 5 s
	Leave   time.Duration // for the PdT to hear that the session ends, 2 s
	Shown   time.Duration // for programs at the PdT to see the cards, if a start waits for that, 5 s
}

// The longest that the annex and docs/protocol.md allow.
const (
	MaxAbsolute = 12 * time.Hour
	MaxInactive = 15 * time.Minute
	MaxGrace    = time.Minute
	MaxHuman    = 15 * time.Minute
)

func (t Timers) withDefaults() Timers {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&t.Dial, 5 * time.Second}, {&t.Open, 10 * time.Second}, {&t.Hello, 10 * time.Second},
		{&t.Take, 5 * time.Second}, {&t.Release, 5 * time.Second}, {&t.Command, time.Minute},
		{&t.PIN, 50 * time.Second}, {&t.User, 2 * time.Minute},
		{&t.CardOut, 10 * time.Second}, {&t.CardOutSingle, 5 * time.Minute},
		{&t.Absolute, MaxAbsolute}, {&t.Inactive, 10 * time.Minute},
		{&t.Human, MaxHuman}, {&t.Ask, time.Minute}, {&t.Warn, time.Minute},
		{&t.Heartbeat, session.DefaultHeartbeat}, {&t.Leave, 2 * time.Second},
		{&t.Shown, 5 * time.Second},
		{&t.Grace, 30 * time.Second}, {&t.Redial, 250 * time.Millisecond}, {&t.RedialMax, 2 * time.Second},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	return t
}

// Check returns an error that names everything wrong with the timers.
func (t Timers) Check() error {
	var errs []error
	refuse := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	refuse(t.Absolute < 0 || t.Absolute > MaxAbsolute, "cannot let a session last %v: at most %v", t.Absolute,
		MaxAbsolute)
	refuse(t.Inactive < 0 || t.Inactive > MaxInactive, "cannot let a session be inactive for %v: at most %v (SA4)",
		t.Inactive, MaxInactive)
	refuse(t.Grace < 0 || t.Grace > MaxGrace, "cannot wait %v for a lost link: at most %v", t.Grace, MaxGrace)
	refuse(t.Heartbeat < 0, "cannot have a heartbeat of %v", t.Heartbeat)
	refuse(t.Human < 0 || t.Human > MaxHuman, "cannot let a session go on for %v without its user: at most %v (SA4)",
		t.Human, MaxHuman)
	refuse(t.Ask < 0 || t.Warn < 0, "cannot ask %v and warn %v before the end of a session: want times that are not "+
		"negative", t.Ask, t.Warn)
	return errors.Join(errs...)
}

func (c Config) withDefaults() Config {
	c.Timers = c.Timers.withDefaults()
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Dial == nil {
		c.Dial = dialer.Direct()
	}
	return c
}

func (c Config) check() error {
	return errors.Join(Settings{Gateways: c.Gateways, PdTs: c.PdTs, Policy: c.Policy}.Check(), c.Timers.Check())
}

// pdtOf returns the identity of a PdT that is named by its URN, or by its bare name in our own practice.
func pdtOf(name, practice string) (pki.Identity, error) {
	urn := name
	if !strings.Contains(name, ":") {
		urn = pki.Identity{Practice: practice, Role: pki.RolePdT, Name: name}.String()
	}
	id, err := pki.ParseIdentity(urn)
	if err == nil && id.Role != pki.RolePdT {
		err = fmt.Errorf("its role is %s", id.Role)
	}
	if err != nil {
		return pki.Identity{}, fmt.Errorf("cannot use the PdT %q: want urn:tlagate:PRACTICE:pdt:NAME or a NAME: %w",
			name, err)
	}
	return id, nil
}
