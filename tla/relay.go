package tla

import (
	"context"
	"errors"
	"sync"
	"time"
	"tlagate/session"

	"tlagate/tla/cards"
)

// State is what a relay is doing.
type State string

// The states, in the order in which a session goes through them.
const (
	StateIdle         State = "idle"
	StateStarting     State = "starting"
	StateUp           State = "up"
	StateReconnecting State = "reconnecting" // the link is lost; up again, or ending
	StateEnding       State = "ending"
	StateRehearsing   State = "checking" // between idle and idle: the test before a visit
)

// Relay runs sessions, one at a time, each by a call of Start. Its methods may be called from any goroutine.
type Relay struct {
	cfg   Config // Set changes some of it, under mu
	taker *cards.Taker
	desk  *desk

	byKey sync.WaitGroup // starts and stops by a physical key

	mu     sync.Mutex // protects the rest
	closed bool       // nothing may start any more
	live   *live      // nil: idle
	last   *End       // how the last session ended

	left map[uint64]bool // numbers of the cards that were in when it ended
}

// End is how a session ended, or why it did not start.
type End struct {
	Why
	At      time.Time `json:"at"`
	Session string    `json:"session"`
	Started bool      `json:"started"` // it was up
}

// NewRelay returns a relay; the error says what in the configuration cannot be used.
func NewRelay(cfg Config) (*Relay, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	cfg.instance = session.NewID().String()
	t := cfg.Timers
	taker := cards.NewTaker(cfg.Readers, cards.Limits{Take: t.Take, Command: t.Command, Release: t.Release})
	return &Relay{cfg: cfg, taker: taker, desk: newDesk()}, nil
}

// Start starts a session and returns when it is up; the error is a *Why. A local act of the user must be behind each
// call, and act says which (C4). If ctx ends before the session is up, so does the start.
func (r *Relay) Start(ctx context.Context, act Act) error {
	_, err := r.start(ctx, act)
	return err
}

// startShown is like Start, but returns only once programs at the PdT see the cards that are in, or after Timers.Shown:
// Status says whether they do. It does not wait for a PdT that does not tell. A ctx that ends after the session is up
// ends only the waiting.
func (r *Relay) startShown(ctx context.Context, act Act) error {
	l, err := r.start(ctx, act)
	if err != nil {
		return err
	}
	return l.awaitShown(ctx)
}

// start returns the session that is up.
func (r *Relay) start(ctx context.Context, act Act) (*live, error) {
	l, err := r.try(ctx, act, nil)
	if w := (*Why)(nil); errors.As(err, &w) && w.Code == codeRenewed {
		return r.try(ctx, act, w)
	}
	return l, err
}

// try starts a session once; renewed says why the first try ended, which may fetch a newer bundle; nil = this is it.
func (r *Relay) try(ctx context.Context, act Act, renewed *Why) (*live, error) {
	l, err := r.begin(act, renewed == nil, false)
	if err != nil {
		return nil, r.fail(EventFailed, act, explain(err))
	}
	l.user.again = renewed != nil && renewed.Reason == reasonAsked
	go r.serve(l)
	select {
	case <-l.up:
		return l, nil
	case <-ctx.Done():
		l.end(&Why{Code: CodeCancelled})
		<-l.over
	case <-l.over:
	}
	return nil, l.why()
}

// Stop ends the session, started or starting, and returns when its cards are powered down and its sockets closed. It
// reports whether there was one.
func (r *Relay) Stop() bool { return r.stop(&Why{Code: CodeStopped}) }

// Close ends the session and allows no other.
func (r *Relay) Close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.stop(&Why{Code: CodeShutdown})
	r.byKey.Wait()
}

func (r *Relay) stop(w *Why) bool {
	r.mu.Lock()
	l := r.live
	r.mu.Unlock()
	if l == nil {
		return false
	}
	l.end(w)
	<-l.over
	return true
}

// begin makes the relay leave the state idle; test says that this is a rehearsal.
func (r *Relay) begin(act Act, mayRenew, test bool) (*live, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		return nil, &Why{Code: CodeShutdown}
	case r.live != nil:
		return nil, &Why{Code: CodeAlready}
	}
	if w := r.cfg.Clock.check(); w != nil {
		return nil, r.note(w)
	}
	if w := r.cfg.usable(); w != nil {
		return nil, r.note(w)
	}
	cfg, err := r.cfg.chosen(act)
	if err != nil {
		return nil, err
	}
	l, err := newLive(cfg, r.taker, r.desk, act)
	if err != nil {
		return nil, r.note(&Why{Code: CodeConfiguration, Detail: err.Error()})
	}
	l.mayRenew, l.settings, l.test = mayRenew, r.settings, test
	if r.live = l; !test {
		r.left = nil // whoever starts knows of the cards that are in
	}
	return l, nil
}

// serve runs a session, from its start until the relay is idle again. Nothing here starts another (C4).
func (r *Relay) serve(l *live) {
	defer close(l.over)
	l.run()
	e := &End{Why: *l.why(), At: time.Now(), Session: l.id.String(), Started: l.wasUp()}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.live = nil
	if e.Code != codeRenewed {
		r.last = e
	}
	if e.Started {
		r.left = cardsIn(l.readers)
	}
}

// settings returns the present configuration.
func (r *Relay) settings() Config {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cfg
}
