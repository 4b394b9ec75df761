package heads

import (
	"cmp"
	"context"
	"crypto"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"tlagate/audit"
	"tlagate/internal/retry"
	"tlagate/pki"
	"tlagate/pki/trust"
)

// Config configures a Sender. It must not be changed once given.
type Config struct {
	Server Server
	// of our trace: number, hash and time of its last line; number 0 = there is none
	Head   func() (number uint64, hash string, at time.Time, err error)
	Record func(audit.Kind, ...audit.Attr) // into the trace; it must not wait; nil = nowhere

	Every    time.Duration // between two heads; 0 = 1 h
	Late     time.Duration // without a head that was taken; 0 = 2 h
	Retry    time.Duration // first wait before another try, doubled up to MaxRetry; 0 = 10 s
	MaxRetry time.Duration // 0 = 5 min
	Log      *slog.Logger  // nil = discard
}

// Sender sends the heads of a trace to one server, for as long as Run runs.
type Sender struct {
	cfg  Config
	wake chan struct{} // capacity 1

	began   time.Time // Run, or the last head that was taken; owned by Run, as are the next three
	late    bool      // that was recorded
	failure string    // the last that was logged; "" = none
	backoff retry.Backoff

	mu    sync.Mutex // protects the rest
	state State
}

// State is the state of a Sender.
type State struct {
	URL      string
	Accepted time.Time // when the server last took a head; zero = never since the start
	Refused  bool      // it refused the last one: it knows another line, or a later one
}

// New checks the configuration.
func New(cfg Config) (*Sender, error) {
	if _, err := cfg.Server.place(); err != nil {
		return nil, err
	}
	cfg.Every, cfg.Late = cmp.Or(cfg.Every, time.Hour), cmp.Or(cfg.Late, Late)
	cfg.Retry, cfg.MaxRetry = cmp.Or(cfg.Retry, 10*time.Second), cmp.Or(cfg.MaxRetry, 5*time.Minute)
	cfg.Log = cmp.Or(cfg.Log, slog.New(slog.DiscardHandler)).With("pki", cfg.Server.URL)
	if cfg.Record == nil {
		cfg.Record = func(audit.Kind, ...audit.Attr) {}
	}
	return &Sender{cfg: cfg, wake: make(chan struct{}, 1), state: State{URL: cfg.Server.URL},
		backoff: retry.Backoff{First: cfg.Retry, Most: cfg.MaxRetry}}, nil
}

// State returns its state.
func (s *Sender) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// Wake has a head sent now, unless the one before is still being tried. It never waits.
func (s *Sender) Wake() {
	select {
	case s.wake <- struct{}{}:
	default: // one will be sent anyway
	}
}

// Run sends a head at once, then every hour and at each Wake, until ctx ends.
func (s *Sender) Run(ctx context.Context) {
	s.began = time.Now()
	for ctx.Err() == nil {
		pause, wake := s.settle(ctx, s.send(ctx))
		s.pause(ctx, pause, wake)
	}
}

// pause waits until it is time, or until something wakes us.
func (s *Sender) pause(ctx context.Context, pause time.Duration, wake <-chan struct{}) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-wake:
	case <-ctx.Done():
	}
}

// attempt is what became of one head.
type attempt struct {
	number uint64
	hash   string
	peer   pki.Identity // zero = not proven
	err    error
}

func (s *Sender) send(ctx context.Context) (a attempt) {
	if a.number, a.hash, _, a.err = s.cfg.Head(); a.err != nil || a.number == 0 {
		return a
	}
	head, err := s.sign(Statement{Number: a.number, Hash: a.hash, At: time.Now()})
	if err != nil {
		a.err = err
		return a
	}
	a.peer, a.err = s.cfg.Server.send(ctx, head)
	return a
}

// sign signs with the key of the certificate that we shall show.
func (s *Sender) sign(head Statement) (string, error) {
	cert := s.cfg.Server.Party.Certificate()
	if cert == nil || cert.Leaf == nil {
		return "", errors.New("cannot sign a head: we have no client certificate")
	}
	id, err := pki.IdentityOf(cert.Leaf)
	if err != nil {
		return "", err
	}
	key, ok := cert.PrivateKey.(crypto.Signer)
	if !ok {
		return "", fmt.Errorf("cannot sign a head with a key of type %T", cert.PrivateKey)
	}
	head.Gateway = id.String()
	return Sign(head, key)
}

// settle notes what became of a head, and returns how long to wait for the next, and what may cut that short.
func (s *Sender) settle(ctx context.Context, a attempt) (time.Duration, <-chan struct{}) {
	if ctx.Err() != nil {
		return 0, nil
	}
	defer func() { s.checkLate() }()
	switch {
	case a.err == nil:
		s.accepted(a)
		return s.cfg.Every, s.wake
	case errors.Is(a.err, ErrRefused):
		s.refused(a)
		s.backoff.Reset()
		return s.cfg.Every, nil
	}
	s.failed(a.err)
	return retry.Jitter(s.backoff.Next()), nil
}

func (s *Sender) accepted(a attempt) {
	if s.failure != "" {
		s.cfg.Log.Info("heads of the audit trace are kept again", "peer", a.peer.String())
	}
	s.backoff.Reset()
	s.began, s.late, s.failure = time.Now(), false, ""
	if a.number > 0 { // an empty trace has no head
		s.set(State{URL: s.cfg.Server.URL, Accepted: s.began})
	}
}

func (s *Sender) set(now State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = now
}

// refused raises the alarm once, until a head is taken.
func (s *Sender) refused(a attempt) {
	state := s.State()
	s.failure = a.err.Error()
	if state.Refused {
		return
	}
	state.Refused = true
	s.set(state)
	s.cfg.Log.Error("the PKI refuses the head of our audit trace: somebody rewrote the trace, or went back in it",
		"peer", a.peer.String(), "number", a.number)
	s.cfg.Record(audit.HeadRefused, audit.Peer(a.peer.String()), audit.Number(int64(a.number)), audit.Hash(a.hash))
}

// failed logs each cause once.
func (s *Sender) failed(err error) {
	if s.failure != err.Error() {
		s.cfg.Log.Warn("the head of the audit trace did not reach the PKI; trying again", "reason", reasonOf(err),
			"error", err)
	}
	s.failure = err.Error()
}

func reasonOf(err error) string {
	if _, ok := errors.AsType[*trust.Rejected](err); ok {
		return "rejected"
	}
	return cmp.Or(string(pki.ReasonOf(err)), "unreachable")
}

// checkLate raises the alarm once, until a head is taken.
func (s *Sender) checkLate() {
	if s.late || time.Since(s.began) < s.cfg.Late {
		return
	}
	s.late = true
	since := audit.From("never since the start")
	if at := s.State().Accepted; !at.IsZero() {
		since = audit.From(at.UTC().Format(time.RFC3339))
	}
	s.cfg.Log.Error("the PKI has taken no head of our audit trace for long: it could be rewritten unseen",
		"for", s.cfg.Late)
	s.cfg.Record(audit.HeadLate, audit.Reason("the server "+s.cfg.Server.URL+" has taken none"), since,
		audit.Length(s.cfg.Late))
}
