package pdt

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tlagate/pki"
	"tlagate/session"
)

// Service parks links, serves card sessions and shows their cards.
type Service struct {
	cfg      Config
	us       pki.Identity
	consents consents
	access   atomic.Pointer[Access]
	users    atomic.Pointer[Users]
	began    time.Time
	instance string // for gateways: how they notice another service with our certificate
	gateways []*gateway
	slots    [session.Slots]*slot
	serving  chan struct{} // closed by Run

	mu      sync.Mutex // protects current
	current *cardSession
}

// New returns a service; Run runs it.
func New(cfg Config) (*Service, error) {
	cfg = cfg.withDefaults()
	us, err := cfg.identify()
	if err != nil {
		return nil, err
	}
	s := &Service{cfg: cfg, us: us, began: time.Now(), instance: session.NewID().String(),
		serving: make(chan struct{})}
	s.SetAccess(cfg.Access)
	s.SetUsers(cfg.Users)
	for _, address := range cfg.Gateways {
		s.gateways = append(s.gateways, newGateway(s, address))
	}
	for i, r := range cfg.Readers {
		if r == nil {
			r = nobody{}
		}
		s.slots[i] = newSlot(session.Slot(i), r)
	}
	return s, nil
}

// SetAccess replaces the access table for sessions opened from now on; an open session goes on.
func (s *Service) SetAccess(a Access) { s.access.Store(&a) }

// SetUsers replaces what is demanded of the users of sessions that are opened from now on. An open session goes on by
// the rule that it began with; its user's certificate is judged by the new store, which the caller runs.
func (s *Service) SetUsers(u Users) { s.users.Store(&u) }

// nobody is the reader of a slot that no program sees.
type nobody struct{}

func (nobody) Show(ctx context.Context, _ *Card) { <-ctx.Done() }

// shows reports whether any reader will say when programs see a card.
func (s *Service) shows() bool {
	return slices.ContainsFunc(s.cfg.Readers[:], func(r Reader) bool { return r != nil })
}

// Run parks links on the gateways and serves sessions until ctx ends. It returns an error only if it could not begin.
func (s *Service) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	status, err := s.listenStatus()
	if err != nil {
		return err
	}
	var parts sync.WaitGroup
	defer parts.Wait()
	defer stop()
	parts.Go(func() { status.serve(ctx) })
	for _, slot := range s.slots {
		parts.Go(func() { slot.run(ctx) })
	}
	for _, g := range s.gateways {
		parts.Go(func() { g.run(ctx) })
	}
	parts.Go(func() { s.watchNetwork(ctx) })
	parts.Go(func() { s.dialOnChange(ctx) })
	close(s.serving)
	s.cfg.Log.Info("Poste de Travail runs", "identity", s.us.String(), "gateways", len(s.gateways))
	<-ctx.Done()
	if c := s.session(); c != nil && c.isLost() {
		c.finish(ctx.Err())
	}
	return nil
}

// Alive returns once the service runs, and what keeps links parked, its session and its slots have answered. It hangs
// as long as one of them does.
func (s *Service) Alive() {
	<-s.serving
	for _, g := range s.gateways {
		g.parks.Wait()
	}
	s.status()
}

// acquire makes c the session that has the reader pair, and reports whether it was free. A TLA that begins a new
// session does not come back for one whose link it lost: that is ended.
func (s *Service) acquire(c *cardSession) bool {
	if old := s.session(); old != nil && old.tla == c.tla && old.isLost() {
		old.finish(errReplaced)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil {
		return false
	}
	s.current = c
	return true
}

// release frees the reader pair of a session, and has a link parked for it on each gateway.
func (s *Service) release(c *cardSession) {
	s.mu.Lock()
	if s.current == c {
		s.current = nil
	}
	s.mu.Unlock()
	for _, g := range s.gateways {
		nudge(g.wake)
	}
}

// Busy reports whether there is a session.
func (s *Service) Busy() bool { return s.session() != nil }

// wanted returns how many links to keep parked on each gateway: one more than there are free pairs, so that a TLA gets
// an answer when all are taken. Surplus links stay until they are used: closing one could hit a join.
func (s *Service) wanted() int {
	if s.session() != nil {
		return 1
	}
	return 2
}

// watchNetwork has changes of this machine's network told.
func (s *Service) watchNetwork(ctx context.Context) {
	if err := s.cfg.Network.Watch(ctx); err != nil {
		s.cfg.Log.Warn("cannot watch the network for changes: gateways are dialled again after their usual pauses",
			"error", err)
	}
}

// dialOnChange ends the pauses before gateways are dialled whenever the network has changed: they may be reached now.
func (s *Service) dialOnChange(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.cfg.Network.Changed():
		}
		for _, g := range s.gateways {
			if g.retry.atOnce() {
				g.log.Info("the network has changed: dialling at once")
			}
		}
	}
}

// hasLostSession reports whether a session without a link waits for its terminal, which comes back through any gateway
// on which it finds us.
func (s *Service) hasLostSession() bool {
	c := s.session()
	return c != nil && c.isLost()
}

// hurry shortens the pauses before gateways are dialled, since a lost session waits.
func (s *Service) hurry() {
	for _, g := range s.gateways {
		g.retry.hurry()
	}
}

// step returns the time for each step of reaching a gateway: dial, TLS, request. The grace time must allow several
// attempts, as it does at the TLA.
func (s *Service) step() time.Duration {
	if s.hasLostSession() {
		return min(setUp, s.cfg.Grace/6)
	}
	return setUp
}

// session returns the session that has the reader pair, or nil.
func (s *Service) session() *cardSession {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}
