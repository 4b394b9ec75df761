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
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"tlagate/pki"
	"tlagate/session/link"
)

// Config configures a Gateway. It must not be changed once given.
type Config struct {
	Party  *pki.Party   // our server certificate, and whom we trust
	Access []Rule       // pairs beyond "a TLA may open the PdTs of its own practice"
	Limits Limits       // zero = defaults
	Log    *slog.Logger // nil = discard
}

// Limits bound what peers may do; each zero means its default.
type Limits struct {
	Absolute        time.Duration // length of a session, 12 h (SA4)
	Drain           time.Duration // what sessions get to end once stopping, 10 s
	Heartbeat       time.Duration // silence before a ping, 5 s; three times that is death
	Header          time.Duration // time for a request's header, 10 s
	Idle            time.Duration // a connection between requests, 120 s
	Nonce           time.Duration // life of a nonce, 120 s
	JoinWait        time.Duration // how long an open waits for a parked link, 2 s
	Recheck         time.Duration // how often peers are checked again without a change of the CRLs, 10 s
	Handshakes      int           // pending at once, 512
	HandshakesPerIP int           // pending at once from one address, 64
	Connections     int           // proven connections at once, 20000
	ParkedPerPdT    int           // links one PdT may park, 16
}

func (l Limits) withDefaults() Limits {
	l.Absolute = cmp.Or(l.Absolute, 12*time.Hour)
	l.Drain = cmp.Or(l.Drain, 10*time.Second)
	l.Heartbeat = cmp.Or(l.Heartbeat, link.DefaultHeartbeat)
	l.Header = cmp.Or(l.Header, 10*time.Second)
	l.Idle = cmp.Or(l.Idle, 120*time.Second)
	l.Nonce = cmp.Or(l.Nonce, 120*time.Second)
	l.JoinWait = cmp.Or(l.JoinWait, 2*time.Second)
	l.Recheck = cmp.Or(l.Recheck, 10*time.Second)
	l.Handshakes = cmp.Or(l.Handshakes, 512)
	l.HandshakesPerIP = cmp.Or(l.HandshakesPerIP, 64)
	l.Connections = cmp.Or(l.Connections, 20000)
	l.ParkedPerPdT = cmp.Or(l.ParkedPerPdT, 16)
	return l
}

// Gateway joins links. One Serve per Gateway.
type Gateway struct {
	party  *pki.Party
	access access
	limits Limits
	log    *slog.Logger

	accepted chan net.Conn // proven connections, for net/http
	pending  gate          // handshakes under way
	links    sync.WaitGroup

	mu       sync.Mutex // protects the rest
	clients  map[net.Conn]*client
	parked   map[pki.Identity][]*end
	parking  chan struct{}             // closed and replaced when a link is parked
	sessions map[pki.Identity]*session // by TLA, reserved or begun
	draining bool
}

// New makes a gateway.
func New(cfg Config) *Gateway {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	limits := cfg.Limits.withDefaults()
	return &Gateway{
		party: cfg.Party, access: access(cfg.Access), limits: limits, log: cfg.Log,
		accepted: make(chan net.Conn), pending: gate{total: limits.Handshakes, each: limits.HandshakesPerIP},
		clients: map[net.Conn]*client{}, parked: map[pki.Identity][]*end{}, parking: make(chan struct{}),
		sessions: map[pki.Identity]*session{},
	}
}

// Serve accepts links on l until ctx ends; then it lets sessions end for Limits.Drain and returns nil.
func (g *Gateway) Serve(ctx context.Context, l net.Listener) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	server := g.httpServer()
	failed := make(chan error, 1)
	var running sync.WaitGroup
	running.Go(func() { failed <- g.accept(ctx, l) })
	running.Go(func() { _ = server.Serve(&handover{g.accepted, ctx, l.Addr()}) })
	running.Go(func() { g.watch(ctx) })
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	l.Close()
	g.drain()
	stop()
	_ = server.Close()
	running.Wait()
	g.links.Wait()
	return err
}

var drainNotice = link.Notice{Code: link.CodeDraining, Text: "The gateway is stopping; use another one."}

// drain tells everybody to move and waits until the sessions have ended, or cuts them.
func (g *Gateway) drain() {
	g.mu.Lock()
	g.draining = true
	sessions := g.begun()
	parked := g.allParked()
	g.mu.Unlock()
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
			s.end(drainNotice, "draining")
		}
	}
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

// errTooMany is why a connection is closed that exceeds a limit before it is proven.
var errTooMany = errors.New("too many connections or handshakes under way")

func (g *Gateway) httpServer() *http.Server {
	return &http.Server{
		Handler:           g,
		ReadHeaderTimeout: g.limits.Header,
		IdleTimeout:       g.limits.Idle,
		MaxHeaderBytes:    16 << 10,
		ConnContext:       g.withClient,
		ConnState:         g.connState,
		ErrorLog:          slog.NewLogLogger(g.log.Handler(), slog.LevelDebug),
	}
}
