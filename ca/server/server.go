// Package server is what `tla-pki serve` runs beside the CA: it sends gateways revocations the moment they are in
// the books, whoever wrote them, publishes CRL, ARL and CA certificates over plain HTTP, signs a new CRL before the
// old one expires, and enrols devices over EST. docs/push.md describes the stream, docs/enrolment.md enrolment.
package server

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"tlagate/audit"
	"tlagate/audit/peers"
	"tlagate/ca"
	"tlagate/ca/store"
	"tlagate/heads"
	"tlagate/internal/pulse"
	"tlagate/pki"
	"tlagate/pki/listen"
	"tlagate/pki/trust"
)

// Config configures a Server. It must not be changed once given.
type Config struct {
	CA        *ca.CA
	Party     *trust.Party  // our server certificate (profile pki), and whom we trust
	Poll      time.Duration // how often the books are looked at; 0 = 50 ms
	Heartbeat time.Duration // between two lines of a stream; 0 = 5 s
	Renew     time.Duration // how often it checks whether a CRL is due; 0 = 1 min
	Streams   int           // at once; 0 = 512
	PerPeer   int           // of them of one peer; 0 = 4
	Public    int           // connections to the public listener at once; 0 = 1024
	EST       EST           // bounds of the EST server
	LateHead  time.Duration // how long a gateway may send no head of its trace; 0 = 2 h
	Log       *slog.Logger  // nil = discard
	Trace     *audit.Log    // nil = accesses are not recorded
}

// Server serves one CA. One Serve per Server.
type Server struct {
	cfg    Config
	log    *slog.Logger
	ration *listen.Ration // of the log, for what strangers and refused peers cause
	events *store.Events
	trace  struct{ push, est *peers.Trace }
	staple *stapler       // of the EST server
	heads  *listen.Budget // of heads sent, by gateway

	looks   *pulse.Loop      // watch
	serving chan struct{}    // closed by Serve
	proven  *listen.Listener // of streams, set by Serve

	mu      sync.Mutex // protects the rest
	news    chan struct{}
	streams map[pki.Identity]int
	all     int
}

// New opens the CA's events. Close closes them.
func New(cfg Config) (*Server, error) {
	cfg.Poll = cmp.Or(cfg.Poll, 50*time.Millisecond)
	cfg.Heartbeat = cmp.Or(cfg.Heartbeat, 5*time.Second)
	cfg.Renew = cmp.Or(cfg.Renew, time.Minute)
	cfg.Streams = cmp.Or(cfg.Streams, 512)
	cfg.PerPeer = cmp.Or(cfg.PerPeer, 4)
	cfg.Public = cmp.Or(cfg.Public, 1024)
	cfg.EST = cfg.EST.withDefaults()
	cfg.LateHead = cmp.Or(cfg.LateHead, heads.Late)
	cfg.Log = cmp.Or(cfg.Log, slog.New(slog.DiscardHandler))
	events, err := cfg.CA.Events()
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, log: cfg.Log, ration: listen.NewRation(cfg.Log), events: events,
		heads: listen.NewBudget(headsAtOnce, headsPeriod, budgetNames),
		looks: pulse.New(), serving: make(chan struct{}), news: make(chan struct{}), streams: map[pki.Identity]int{}}
	s.trace.push = peers.New(cfg.Trace, "push", tracedPeers)
	s.trace.est = peers.New(cfg.Trace, "est", tracedPeers)
	if cfg.Party != nil {
		s.staple = &stapler{ca: cfg.CA, inner: cfg.Party.Certificate, log: cfg.Log}
	}
	return s, nil
}

// tracedPeers bounds the peers of a listener that its trace tells apart.
const tracedPeers = 20000

// Close records what was only counted, and closes the events.
func (s *Server) Close() error {
	s.trace.push.Close()
	s.trace.est.Close()
	return s.events.Close()
}

// Listeners are where a Server serves; it closes them.
type Listeners struct {
	Events net.Listener // streams of revocations, by mutual TLS
	Public net.Listener // lists and CA certificates, over plain HTTP; nil = not
	EST    net.Listener // enrolment; nil = not
}

// Serve serves until ctx ends (nil) or a listener fails.
func (s *Server) Serve(ctx context.Context, on Listeners) error {
	ctx, stop := context.WithCancelCause(ctx)
	var running sync.WaitGroup
	running.Go(func() { s.watch(ctx) })
	running.Go(func() { s.renew(ctx) })
	s.proven = listen.New(on.Events, listen.Config{Party: s.cfg.Party, Log: s.log, Refused: s.trace.push.Refused})
	s.run(ctx, stop, &running, s.proven, s.streamServer(ctx))
	if on.Public != nil {
		s.run(ctx, stop, &running, s.publicRoom().Listener(on.Public), s.publicServer())
	}
	if on.EST != nil {
		s.staple.renew(time.Now())
		running.Go(func() { s.staple.keep(ctx, s.next) })
		l, server := s.serveEST(on.EST)
		s.run(ctx, stop, &running, l, server)
	}
	close(s.serving)
	<-ctx.Done()
	stop(nil)
	running.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// Alive returns once the server serves, accepts streams, and has come round to the books. It hangs as long as one of
// them does.
func (s *Server) Alive() {
	<-s.serving
	s.proven.Alive()
	s.looks.Wait()
}

// run serves on l until ctx ends, and ends everything when that fails.
func (s *Server) run(ctx context.Context, stop context.CancelCauseFunc, running *sync.WaitGroup, l net.Listener,
	server *http.Server) {
	running.Go(func() {
		if err := server.Serve(l); ctx.Err() == nil {
			stop(err)
		}
	})
	running.Go(func() {
		<-ctx.Done()
		_ = server.Close()
		_ = l.Close()
	})
}

type peerKey struct{}

func (s *Server) streamServer(ctx context.Context) *http.Server {
	return &http.Server{
		Handler:           http.HandlerFunc(s.serveProven),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       30 * time.Second,
		MaxHeaderBytes:    16 << 10,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			if proven, ok := c.(*listen.Conn); ok {
				s.trace.push.Accepted(proven.Peer, proven.RemoteAddr().String())
				ctx = context.WithValue(ctx, peerKey{}, proven.Peer)
			}
			return ctx
		},
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}
