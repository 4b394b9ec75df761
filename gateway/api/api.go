package api

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tlagate/audit"
	"tlagate/audit/peers"
	"tlagate/gateway"
	"tlagate/internal/acts"
	"tlagate/pki"
	"tlagate/pki/listen"
	"tlagate/pki/trust"
	"tlagate/push"
)

// Gateway is what the API asks of the gateway.
type Gateway interface {
	Sessions(f gateway.Filter, cursor string, limit int) (page []gateway.SessionInfo, next string)
	Session(id string) (gateway.SessionInfo, bool)
	Peers(f gateway.Filter, cursor string, limit int) (page []gateway.PeerInfo, next string)
	Parked() []gateway.ParkedInfo
	Refusals(f gateway.Filter, limit int) []gateway.RefusalInfo
	Denied() []gateway.DenialInfo
	Denies(id pki.Identity) bool
	Knows(name string) bool // whom a name of the deny list is about
	Draining() bool
	Joined() int           // how many sessions there are
	Persons() *trust.Trust // by which users of terminals are verified; nil = they are not
	Events(since uint64) (events <-chan gateway.Event, cancel func())

	End(id string, a gateway.Act) error
	Deny(identity string, a gateway.Act) error
	Allow(identity string, a gateway.Act) error
	Drain(a gateway.Act) error
	Resume(a gateway.Act) error
}

// Config configures a Server. It must not be changed after New.
type Config struct {
	Gateway Gateway
	Party   *trust.Party // our server certificate, and whom we trust
	Admins  []Admin      // who may do what
	Log     *slog.Logger // nil = discard
	Version string       // of the program

	Push func() []*push.Subscriber // streams of revocations; nil = none

	Trace *audit.Log // where acts are recorded, which is held and searched; nil = none is kept
	File  string     // its file

	// Incident returns the story of an incident number, newest first found, from since on; nil = there is none.
	Incident func(ctx context.Context, number, terminal string, since time.Time) (any, error)
}

// Server answers the API. It is a prometheus.Collector: register it to have its metrics.
type Server struct {
	cfg      Config
	admins   atomic.Pointer[[]Admin]
	peers    *peers.Trace
	ration   *listen.Ration
	requests *listen.Budget
	recorded *listen.Budget // of what leaves a line in the trace
	memory   *acts.Memory
	streams  *listen.Shares
	searches *listen.Shares // of the trace, exports included
	meters   *meters
	started  time.Time
	handler  http.Handler
}

// What one caller may ask for, and how many there may be at once.
const (
	requestBurst = 200
	requestEvery = time.Second / 50
	recordBurst  = 1000
	recordEvery  = 5 * time.Second
	connections  = 128 // of proven administrators, and as many on the socket
	perAdmin     = 16
	strangers    = 64 // whose certificate is not proven yet

	keptFor   = 24 * time.Hour // the answer to an act that has an Idempotency-Key
	maxAnswer = 64 << 10       // octets of such an answer
)

// New returns a server that listens nowhere yet.
func New(cfg Config) *Server {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{cfg: cfg, peers: peers.New(cfg.Trace, "api", connections), ration: listen.NewRation(cfg.Log),
		requests: listen.NewBudget(requestBurst, requestEvery, connections),
		recorded: listen.NewBudget(recordBurst, recordEvery, connections), memory: acts.NewMemory(keptFor, maxAnswer),
		streams:  listen.NewShares(streamsInAll, streamsPerName),
		searches: listen.NewShares(searchesInAll, searchesPerName),
		meters:   newMeters(), started: time.Now()}
	party := *cfg.Party
	party.Denied = cfg.Gateway.Denies
	s.cfg.Party = &party
	s.SetAdmins(cfg.Admins)
	s.handler = s.mux()
	return s
}

// SetAdmins replaces who may do what, from the next request on.
func (s *Server) SetAdmins(admins []Admin) {
	admins = slices.Clone(admins)
	s.admins.Store(&admins)
}

// Serve answers on these listeners until ctx ends, and closes them: plainly on Unix sockets, whose file says who may
// connect, and with mutual TLS on the others, which may be Unix sockets, too.
func (s *Server) Serve(ctx context.Context, plain, mutual []net.Listener) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	server := s.httpServer(ctx)
	var running sync.WaitGroup
	for _, l := range plain {
		room := listen.NewRoom(listen.RoomConfig{Places: connections, Silent: requestTime})
		running.Go(func() { s.run(server, room.Listener(l)) })
	}
	for _, l := range mutual {
		proven := listen.New(l, listen.Config{Party: s.cfg.Party, Handshakes: strangers, Log: s.cfg.Log,
			Refused: s.peers.Refused})
		running.Go(func() {
			s.run(server, listen.NewDoor(proven, listen.DoorConfig{Role: pki.RoleAdmin, Most: connections,
				Each: perAdmin, TurnedAway: s.turnAway}))
		})
	}
	<-ctx.Done()
	shutDown(server)
	running.Wait()
	s.peers.Close()
}

func (s *Server) run(server *http.Server, l net.Listener) {
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		s.cfg.Log.Error("the API is no longer served", "address", l.Addr().String(), "error", err)
	}
}

// shutDown lets requests under way have their answers.
func shutDown(server *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = server.Shutdown(ctx)
	_ = server.Close()
}

const (
	requestTime = 10 * time.Second // for a whole request
	answerTime  = time.Minute      // for the answer: a search takes a while
	idleTime    = time.Minute
)

func (s *Server) httpServer(ctx context.Context) *http.Server {
	return &http.Server{
		Handler:                      s.handler,
		DisableGeneralOptionsHandler: true, // it answers whoever asks
		ReadHeaderTimeout:            requestTime,
		ReadTimeout:                  requestTime,
		WriteTimeout:                 answerTime,
		IdleTimeout:                  idleTime,
		MaxHeaderBytes:               16 << 10,
		ConnContext:                  s.withCaller,
		BaseContext:                  func(net.Listener) context.Context { return ctx },
		ErrorLog:                     slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelDebug),
	}
}
