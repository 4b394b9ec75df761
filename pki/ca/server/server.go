// Package server is what `tla-pki serve` runs beside the CA: it tells gateways of revocations the moment they are in
// the books, whoever wrote them, publishes CRL, ARL and CA certificates over plain HTTP, and signs a new CRL before the
// old one goes stale. docs/push.md describes the stream.
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

	"tlagate/pki"
	"tlagate/pki/ca"
	"tlagate/pki/listen"
)

// Config configures a Server. It must not be changed once given.
type Config struct {
	CA        *ca.CA
	Party     *pki.Party    // our server certificate (profile pki), and whom we trust
	Poll      time.Duration // how often the books are looked at; 0 = 50 ms
	Heartbeat time.Duration // between two lines of a stream; 0 = 5 s
	Renew     time.Duration // how often it is seen whether a CRL is due; 0 = 1 min
	Streams   int           // at once; 0 = 512
	PerPeer   int           // of them of one peer; 0 = 4
	Public    int           // connections to the public listener at once; 0 = 1024
	Log       *slog.Logger  // nil = discard
}

// Server serves one CA. One Serve per Server.
type Server struct {
	cfg    Config
	log    *slog.Logger
	events *ca.Events

	mu      sync.Mutex // protects the rest
	news    chan struct{}
	streams map[pki.Identity]int
	all     int
}

// New opens the CA's events. Close ends what it opened.
func New(cfg Config) (*Server, error) {
	cfg.Poll = cmp.Or(cfg.Poll, 50*time.Millisecond)
	cfg.Heartbeat = cmp.Or(cfg.Heartbeat, 5*time.Second)
	cfg.Renew = cmp.Or(cfg.Renew, time.Minute)
	cfg.Streams = cmp.Or(cfg.Streams, 512)
	cfg.PerPeer = cmp.Or(cfg.PerPeer, 4)
	cfg.Public = cmp.Or(cfg.Public, 1024)
	cfg.Log = cmp.Or(cfg.Log, slog.New(slog.DiscardHandler))
	events, err := cfg.CA.OpenEvents()
	if err != nil {
		return nil, err
	}
	return &Server{cfg: cfg, log: cfg.Log, events: events, news: make(chan struct{}), streams: map[pki.Identity]int{}}, nil
}

// Close closes the events.
func (s *Server) Close() error { return s.events.Close() }

// Serve serves streams on events and, unless it is nil, lists and CA certificates on public, until ctx ends (nil)
// or a listener fails. It closes both.
func (s *Server) Serve(ctx context.Context, events, public net.Listener) error {
	ctx, stop := context.WithCancelCause(ctx)
	var running sync.WaitGroup
	running.Go(func() { s.watch(ctx) })
	running.Go(func() { s.renew(ctx) })
	s.run(ctx, stop, &running, listen.New(events, listen.Config{Party: s.cfg.Party, Log: s.log}), s.streamServer(ctx))
	if public != nil {
		s.run(ctx, stop, &running, limit(public, s.cfg.Public), s.publicServer())
	}
	<-ctx.Done()
	stop(nil)
	running.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// run serves on l until ctx ends, and ends everything when that fails.
func (s *Server) run(ctx context.Context, stop context.CancelCauseFunc, running *sync.WaitGroup, l net.Listener, server *http.Server) {
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
		Handler:           http.HandlerFunc(s.serveStream),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       30 * time.Second,
		MaxHeaderBytes:    16 << 10,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			if proven, ok := c.(*listen.Conn); ok {
				ctx = context.WithValue(ctx, peerKey{}, proven.Peer)
			}
			return ctx
		},
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}
