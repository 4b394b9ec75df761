package officers

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"tlagate/audit"
	"tlagate/audit/peers"
	"tlagate/ca"
	"tlagate/internal/acts"
	"tlagate/internal/retry"
	"tlagate/pki"
	"tlagate/pki/listen"
	"tlagate/pki/trust"
)

// Config configures a Server. It must not be changed once given.
type Config struct {
	CA       *ca.CA
	Dir      string        // the CA's directory
	Party    *trust.Party  // our server certificate (profile pki), and whom we trust
	Officers []Officer     // as Check accepts them; SetOfficers replaces them
	Log      *slog.Logger  // nil = discard
	Trace    *audit.Log    // of accesses and refusals; nil = they are not recorded. Acts are in the CA's own
	Poll     time.Duration // how often it looks for acts past the server; 0 = 5 s

	// What the views status and inventory show, as JSON.
	Status, Inventory func(*ca.CA) (any, error)
}

// Server serves the officers of one CA.
type Server struct {
	cfg      Config
	log      *slog.Logger
	officers atomic.Pointer[map[string]Officer]
	rights   map[string]Right // by method and name
	ration   *listen.Ration   // of the log, for what is refused
	trace    *peers.Trace
	waiting  *waitingRoom
	again    *acts.Memory
	requests *listen.Budget
	recorded *listen.Budget // of acts, which leave lines in the trace
	looking  *listen.Shares // views that read all there is
	broken   time.Time      // the last act past the officers that is known
}

const (
	placesBefore = 64               // connections whose peer is not proven, at once
	places       = 64               // of proven administrators
	perOfficer   = 8                // of them
	tracedPeers  = 1000             // that the trace of accesses tells apart
	readTime     = time.Minute      // for a whole request
	actTime      = 5 * time.Minute  // for the answer: another program may be writing to the CA, and a list may be long
	idleTime     = 30 * time.Second // between two requests of a connection
	endTime      = 15 * time.Second // for acts that are being done when the server is told to stop
	keptTime     = 10 * time.Minute // the answer to an act that has an Idempotency-Key: it may hold codes
	maxKept      = 1 << 20          // octets of such an answer

	// What one officer may ask for. Acts are in a trace that is kept; views of everything are made in memory.
	requestBurst = 200
	requestEvery = time.Second / 20
	recordBurst  = 1000
	recordEvery  = 5 * time.Second
	looksInAll   = 4
)

// New returns a server. Close it.
func New(cfg Config) (*Server, error) {
	cfg.Log = cmp.Or(cfg.Log, slog.New(slog.DiscardHandler))
	cfg.Poll = cmp.Or(cfg.Poll, 5*time.Second)
	s := &Server{cfg: cfg, log: cfg.Log, rights: map[string]Right{},
		ration: listen.NewRation(cfg.Log), trace: peers.New(cfg.Trace, "officers", tracedPeers),
		waiting: &waitingRoom{dir: cfg.Dir}, again: acts.NewMemory(keptTime, maxKept),
		requests: listen.NewBudget(requestBurst, requestEvery, tracedPeers),
		recorded: listen.NewBudget(recordBurst, recordEvery, tracedPeers), looking: listen.NewShares(looksInAll, 1)}
	known, err := Emergencies(cfg.Dir)
	if err = errors.Join(err, s.SetOfficers(cfg.Officers)); err != nil {
		return nil, err
	}
	for _, e := range known {
		s.broken = e.At
	}
	for _, r := range Rights() {
		s.rights[r.Method+" "+r.Name] = r
	}
	return s, nil
}

// SetOfficers replaces who may do what, from the next request on.
func (s *Server) SetOfficers(list []Officer) error {
	if err := Check(list); err != nil {
		return err
	}
	officers := map[string]Officer{}
	for _, o := range list {
		officers[o.Identity] = o
	}
	s.officers.Store(&officers)
	return nil
}

// officer returns who acts by that identity.
func (s *Server) officer(identity string) (o Officer, known bool) {
	o, known = (*s.officers.Load())[identity]
	return o, known
}

// Close records what was only counted.
func (s *Server) Close() { s.trace.Close() }

// Serve serves on each listener until ctx ends (nil) or one fails. It closes them.
func (s *Server) Serve(ctx context.Context, on ...net.Listener) error {
	ctx, stop := context.WithCancelCause(ctx)
	var running sync.WaitGroup
	running.Go(func() { s.watchGlass(ctx) })
	for _, l := range on {
		proven := listen.New(l, listen.Config{Party: s.cfg.Party, Log: s.log, Handshakes: placesBefore,
			Refused: func(remote string, err error) { s.trace.Refused(named(remote), err) }})
		door := listen.NewDoor(proven, listen.DoorConfig{Role: pki.RoleAdmin, Most: places, Each: perOfficer,
			TurnedAway: s.turnAway})
		server := s.httpServer()
		running.Go(func() {
			if err := server.Serve(door); ctx.Err() == nil {
				stop(err)
			}
		})
		running.Go(func() {
			<-ctx.Done()
			end(server)
			_ = proven.Close()
		})
	}
	<-ctx.Done()
	stop(nil)
	running.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// turnAway says who has no business here, or no place.
func (s *Server) turnAway(c *listen.Conn, why string) {
	who, remote := c.Peer.Identity.String(), named(c.RemoteAddr().String())
	s.ration.Log(listen.Line{Level: slog.LevelWarn, Message: "a connection of no officer is refused", Remote: remote,
		Reason: why, Kind: who}, "peer", who)
	if why == listen.TooMany {
		s.trace.Full(c.Peer, remote)
		return
	}
	s.trace.RequestRefused(c.Peer, remote, "officers", why)
}

// end lets what is being done be finished, for a while.
func end(server *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), endTime)
	defer cancel()
	if server.Shutdown(ctx) != nil {
		_ = server.Close()
	}
}

func (s *Server) httpServer() *http.Server {
	return &http.Server{
		Handler:                      s,
		DisableGeneralOptionsHandler: true, // it answers whoever asks

		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       readTime,
		WriteTimeout:      actTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    16 << 10,
		ConnContext:       s.welcome,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

type peerKey struct{}

// welcome lets handlers find who asks, and records an officer's access; who is none leaves a line when it asks.
func (s *Server) welcome(ctx context.Context, c net.Conn) context.Context {
	proven, ok := c.(*listen.Conn)
	if !ok {
		return ctx
	}
	if _, known := s.officer(proven.Peer.Identity.String()); known {
		s.trace.Accepted(proven.Peer, named(proven.RemoteAddr().String()))
	}
	return context.WithValue(ctx, peerKey{}, proven.Peer)
}

// named returns the address of a peer; of one at a Unix socket, which has none, "socket".
func named(remote string) string {
	if _, err := netip.ParseAddrPort(remote); err != nil {
		return "socket"
	}
	return remote
}

// watchGlass logs each act that somebody does past the server, by --break-glass, while it runs.
func (s *Server) watchGlass(ctx context.Context) {
	for ; ; retry.Sleep(ctx, s.cfg.Poll) {
		list, err := Emergencies(s.cfg.Dir)
		if err != nil {
			s.ration.Log(listen.Line{Level: slog.LevelError, Message: "cannot read who acted past the officers"},
				"error", err)
		}
		for _, e := range list[after(list, s.broken):] {
			s.broken = e.At
			s.log.Error("somebody acted on the CA past its officers, with --break-glass", "account", e.Account,
				"act", e.Act, "why", e.Why, "at", e.At.Format(time.RFC3339))
		}
		if ctx.Err() != nil {
			return
		}
	}
}
