// Package gateway is the meeting point of TLAs and PdTs: it accepts their
// outer links, decides who may reach whom, joins one with the other, and can
// neither read nor alter what they say (docs/protocol.md, sections 1 and 2; C1, C2, DL1).
//
// It fails closed: a peer whose certificate no longer passes is cut, and so is
// one whose certificate can no longer be checked.
package gateway

import (
	"cmp"
	"context"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tlagate/bundle"
	"tlagate/pki"
	"tlagate/pki/listen"
	"tlagate/pki/trust"
	"tlagate/push"
	"tlagate/session/consent"
	"tlagate/session/link"
)

// Config configures a Gateway. It must not be changed once given.
type Config struct {
	Party     *trust.Party // our server certificate, and whom we trust
	Access    []Rule       // pairs beyond "a TLA may open the PdTs of its own practice"
	Limits    Limits       // zero = defaults
	Enrolment *Enrolment   // where devices without a certificate are piped to; nil = nowhere
	Log       *slog.Logger // nil = discard

	// Push gives those through which the PKI tells us of revocations now, for whoami and metrics; whoever made them runs them. nil = none.
	Push func() []*push.Subscriber

	Bundles       *bundle.Shelf // what devices are given; nil = nothing. The caller runs it
	RequireBundle bool          // let in no device that tells of no bundle

	// Consented is told of each consent that was verified, its text, and the TLA's certificate, whose key signed it (C4); nil = nobody is.
	Consented func(said consent.Statement, text string, signer *x509.Certificate)
}

// Limits bound what peers may do; each zero means its default.
type Limits struct {
	Absolute           time.Duration // length of a session, 12 h (SA4)
	Drain              time.Duration // what sessions get to end once stopping, 10 s
	Heartbeat          time.Duration // silence before a ping, 5 s; three times that is death
	Request            time.Duration // time for a request to come, and for its answer to go, 10 s
	Idle               time.Duration // a connection between requests, 120 s
	Nonce              time.Duration // life of a nonce, 120 s
	Ticket             time.Duration // life of a ticket, 5 min; it is renewed after a fifth
	JoinWait           time.Duration // how long an open waits for a parked link, 2 s
	Recheck            time.Duration // how often peers are checked again without a change of the CRLs, 10 s
	Handshakes         int           // connections whose peer is not proven, at once; as many as the limit of files leaves
	HandshakesPerIP    int           // of them from one IPv4 address or IPv6 /64; all
	Connections        int           // proven connections at once, 20000
	ConnectionsPerPeer int           // of them of one identity, 64
	ParkedPerPdT       int           // links one PdT may park, 16
}

func (l Limits) withDefaults() Limits {
	l.Absolute = cmp.Or(l.Absolute, 12*time.Hour)
	l.Drain = cmp.Or(l.Drain, 10*time.Second)
	l.Heartbeat = cmp.Or(l.Heartbeat, link.DefaultHeartbeat)
	l.Request = cmp.Or(l.Request, 10*time.Second)
	l.Idle = cmp.Or(l.Idle, 120*time.Second)
	l.Nonce = cmp.Or(l.Nonce, 120*time.Second)
	l.Ticket = cmp.Or(l.Ticket, 5*time.Minute)
	l.JoinWait = cmp.Or(l.JoinWait, 2*time.Second)
	l.Recheck = cmp.Or(l.Recheck, 10*time.Second)
	l.Connections = cmp.Or(l.Connections, 20000)
	l.Handshakes = cmp.Or(l.Handshakes, listen.Places(l.Connections))
	l.ConnectionsPerPeer = cmp.Or(l.ConnectionsPerPeer, 64)
	l.ParkedPerPdT = cmp.Or(l.ParkedPerPdT, 16)
	return l
}

// Gateway joins links. One Serve per Gateway. It is a prometheus.Collector: register it to have its metrics.
type Gateway struct {
	party  *trust.Party
	push   func() []*push.Subscriber
	meters *meters
	pipes  *pipes // nil = none
	access atomic.Pointer[access]
	limits Limits
	log    *slog.Logger
	told   *listen.Ration // of what peers could fill the log with

	requests *listen.Budget // by identity

	bundles       *bundle.Shelf // nil = none
	requireBundle bool
	consented     func(consent.Statement, string, *x509.Certificate) // nil = none

	accepted chan net.Conn // proven connections, for net/http
	links    sync.WaitGroup
	stopping chan struct{} // closed when draining begins
	wake     chan struct{} // capacity 1: a certificate ends sooner than watch would look

	mu       sync.Mutex // protects the rest
	clients  map[net.Conn]*client
	having   map[pki.Identity]int // clients of each identity
	parked   map[pki.Identity][]*end
	coming   map[pki.Identity]int      // links about to be parked
	arrival  chan struct{}             // closed and replaced when a link is parked
	sessions map[pki.Identity]*session // by TLA, reserved or begun
	nextLook time.Time                 // of watch; zero while it looks
	draining bool
	incoming *listen.Listener // set by Serve
}

// What one peer may ask for (docs/protocol.md, section 5).
const (
	requestBurst = 100
	requestEvery = time.Second / 20
)

// New makes a gateway.
func New(cfg Config) *Gateway {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	limits := cfg.Limits.withDefaults()
	g := &Gateway{
		party: cfg.Party, push: cfg.Push, meters: newMeters(), pipes: newPipes(cfg.Enrolment, cfg.Log), limits: limits, log: cfg.Log,
		bundles: cfg.Bundles, requireBundle: cfg.RequireBundle, consented: cfg.Consented,
		told: listen.NewRation(cfg.Log), requests: listen.NewBudget(requestBurst, requestEvery, limits.Connections), accepted: make(chan net.Conn),
		stopping: make(chan struct{}), wake: make(chan struct{}, 1), clients: map[net.Conn]*client{}, having: map[pki.Identity]int{},
		parked: map[pki.Identity][]*end{}, coming: map[pki.Identity]int{}, arrival: make(chan struct{}),
		sessions: map[pki.Identity]*session{},
	}
	g.SetAccess(cfg.Access)
	return g
}

// SetAccess replaces the access table, for sessions that are opened from now on; those that are open go on.
func (g *Gateway) SetAccess(rules []Rule) {
	table := access(slices.Clone(rules))
	g.access.Store(&table)
}

// Serve accepts links on l until ctx ends; then it lets sessions end for Limits.Drain and returns nil.
func (g *Gateway) Serve(ctx context.Context, l net.Listener) error {
	accepting, stopAccepting := context.WithCancel(ctx)
	watching, stopWatching := context.WithCancel(context.WithoutCancel(ctx)) // as long as there are links
	defer stopAccepting()
	defer stopWatching()
	incoming := listen.Config{Party: g.party, Handshakes: g.limits.Handshakes, PerAddress: g.limits.HandshakesPerIP, Log: g.log,
		Observe: g.meters.handshaken}
	if g.pipes != nil {
		incoming.Divert = g.pipes.divert
	}
	proven := listen.New(l, incoming)
	g.mu.Lock()
	g.incoming = proven
	g.mu.Unlock()
	server := g.httpServer()
	failed := make(chan error, 1)
	var running sync.WaitGroup
	running.Go(func() { failed <- g.accept(accepting, proven) })
	running.Go(func() { _ = server.Serve(&handover{g.accepted, accepting, l.Addr()}) })
	running.Go(func() { g.watch(watching) })
	running.Go(func() { g.watchDenials(watching) })
	running.Go(func() { g.tellStatus(watching) })
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	proven.Close()
	stopAccepting()
	g.drain()
	shutDown(server)
	g.links.Wait()
	stopWatching()
	running.Wait()
	return err
}

// drain tells everybody to move and waits until the sessions have ended, or cuts them.
func (g *Gateway) drain() {
	sessions, parked := g.refuseMore()
	g.log.Info("stopping", "sessions", len(sessions), "parked", len(parked), "drain", g.limits.Drain)
	for _, e := range parked {
		e.link.Part(drainNotice)
	}
	for _, s := range sessions {
		s.tell(drainNotice)
	}
	deadline := time.NewTimer(g.limits.Drain)
	defer deadline.Stop()
	for _, s := range sessions {
		select {
		case <-s.done:
		case <-deadline.C:
			deadline.Reset(0)
			s.end(drainNotice, string(link.CodeDraining), "gateway")
		}
	}
}

// shutDown lets requests under way have their answers.
func shutDown(server *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), lastAnswers)
	defer cancel()
	_ = server.Shutdown(ctx)
	_ = server.Close()
}

const lastAnswers = time.Second

func (g *Gateway) refuseMore() ([]*session, []*end) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.draining = true
	close(g.stopping)
	return g.begun(), g.allParked()
}

// handover is the listener that net/http accepts proven connections from.
type handover struct {
	conns <-chan net.Conn
	ctx   context.Context
	addr  net.Addr
}

func (h *handover) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.ctx.Done():
		return nil, net.ErrClosed
	}
}

func (h *handover) Close() error   { return nil }
func (h *handover) Addr() net.Addr { return h.addr }

func (g *Gateway) httpServer() *http.Server {
	return &http.Server{
		Handler:           g,
		ReadHeaderTimeout: g.limits.Request,
		ReadTimeout:       g.limits.Request, // nobody needs to send a body
		WriteTimeout:      g.limits.Request + g.limits.JoinWait,
		IdleTimeout:       g.limits.Idle,
		MaxHeaderBytes:    16 << 10,
		ConnContext:       g.withClient,
		ConnState:         g.connState,
		ErrorLog:          slog.NewLogLogger(g.log.Handler(), slog.LevelDebug),
	}
}
