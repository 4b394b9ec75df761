package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"tlagate/internal/local"
)

// Config configures a Server.
type Config struct {
	Socket string // path; its directory must exist
	Group  string // name or number whose members may ask; "" = root and the daemon's own user only
	// Handle answers a request; the answer must marshal to JSON. ctx ends when the client goes away. who is the
	// client's user, as the kernel says: "uid 1000".
	Handle func(ctx context.Context, who string, asked Request) any
	// Local returns why the process pid does not belong to a person at this machine; nil = it does. It is called before
	// every command but stop and status. If Local is nil, the group alone decides.
	Local func(ctx context.Context, pid int) error
	// PIN serves a client that enters PINs; insist says that its command was pinlasttry. say sends an answer before the
	// last, entry reads what the client sends after it, which nothing else reads, and limit bounds the time for that.
	// PIN returns the last answer; nil = the client is gone. If PIN is nil, there is no such command.
	PIN func(ctx context.Context, insist bool, say func(any) error, entry io.Reader, limit func(time.Time)) any
	Log *slog.Logger // nil = discard
}

// commandStop ends a session. It needs no person at this machine, and clients that send it have places of their own.
const commandStop = "stop"

// The commands of a client that enters PINs.
const (
	CommandPIN        = "pin"
	CommandPINLastTry = "pinlasttry"
)

// Server answers local users.
type Server struct {
	cfg     Config
	guard   guard
	socket  *local.Socket
	clients chan struct{} // one token for each client
	stops   chan struct{} // likewise, once clients is full: a session can be ended whatever other clients do
}

// Listen opens the socket. It replaces the file of a dead daemon; that of a living one is an error.
func Listen(cfg Config) (*Server, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	g, err := newGuard(cfg.Group)
	if err != nil {
		return nil, err
	}
	sock, err := openSocket(cfg.Socket, g.gid)
	if err != nil {
		return nil, err
	}
	return &Server{cfg: cfg, guard: g, socket: sock,
		clients: make(chan struct{}, maxClients), stops: make(chan struct{}, maxStops)}, nil
}

// Serve answers until ctx ends; then it closes the socket and waits for the answers under way.
func (s *Server) Serve(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { s.socket.Close() })()
	defer s.socket.Close()
	var clients sync.WaitGroup
	defer clients.Wait()
	for {
		c, err := s.socket.Accept()
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("cannot go on listening on %s: %w", s.cfg.Socket, err)
		case err != nil:
			s.cfg.Log.Error("control client lost", "error", err) // out of descriptors, for example
			time.Sleep(100 * time.Millisecond)
		default:
			s.admit(ctx, c.(*net.UnixConn), &clients)
		}
	}
}

// admit serves a client; if there are too many, only one that says stop.
func (s *Server) admit(ctx context.Context, c *net.UnixConn, clients *sync.WaitGroup) {
	places, takes := s.clients, anything
	if len(places) == cap(places) { // only this goroutine adds to it
		places, takes = s.stops, onlyStop
	}
	select {
	case places <- struct{}{}:
		clients.Go(func() {
			defer func() { <-places }()
			s.serve(ctx, c, takes)
		})
	default:
		s.refuse(c, tooMany)
		c.Close()
	}
}

var tooMany = &Fault{FaultTooMany, fmt.Sprintf("more than %d clients at a time", maxClients)}

func anything(string) bool { return true }

func onlyStop(command string) bool { return command == commandStop }

// serve serves one client, if takes reports true for its command.
func (s *Server) serve(ctx context.Context, c *net.UnixConn, takes func(command string) bool) {
	defer c.Close()
	who, err := s.guard.check(c)
	if err != nil {
		s.cfg.Log.Warn("control client refused", "reason", FaultNotAllowed, "peer", who.String(), "error", err)
		s.refuse(c, &Fault{FaultNotAllowed, err.Error()})
		return
	}
	p := processOf(c, who.PID)
	defer p.close()
	asked, fault := request(ctx, c)
	if fault == nil && !takes(asked.Command) {
		fault = tooMany
	}
	if fault != nil {
		s.cfg.Log.Warn("control request refused", "reason", fault.Code, "peer", who.String())
		s.refuse(c, fault)
		return
	}
	if fault := s.person(ctx, p, asked.Command); fault != nil {
		s.cfg.Log.Warn("control request refused", "reason", fault.Code, "command", asked.Command, "peer", who.String(),
			"error", fault.Detail)
		s.refuse(c, fault)
		return
	}
	s.cfg.Log.Log(ctx, levelOf(asked.Command), "control request", "command", asked.Command, "peer", who.String())
	if s.cfg.PIN != nil && (asked.Command == CommandPIN || asked.Command == CommandPINLastTry) {
		s.enterPIN(ctx, c, asked.Command == CommandPINLastTry)
		return
	}
	s.answer(ctx, c, fmt.Sprintf("uid %d", who.UID), asked)
}

// enterPIN serves a client that enters a PIN. It reads nothing ahead: no buffer of ours may have the PIN. So whenGone,
// which reads nothing, notices that a client has gone while it waits for a PIN to be wanted.
func (s *Server) enterPIN(ctx context.Context, c *net.UnixConn, insist bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	waiting, wanted := context.WithCancel(ctx)
	go whenGone(waiting, c, cancel)
	say := func(v any) error { wanted(); return local.WriteLine(c, v, answerTime) }
	defer readUntil(ctx, c, time.Time{})()
	limit := func(at time.Time) { _ = c.SetReadDeadline(at) }
	if last := s.cfg.PIN(ctx, insist, say, c, limit); last != nil {
		_ = local.WriteLine(c, last, answerTime)
	}
}

// request reads the one request of a client; it gives up when ctx ends.
func request(ctx context.Context, c net.Conn) (r Request, fault *Fault) {
	defer readUntil(ctx, c, time.Now().Add(requestTime))()
	line, err := local.ReadLine(c, maxRequest)
	if err != nil {
		return r, &Fault{FaultBadRequest, "cannot read the request: " + err.Error()}
	}
	if err := json.Unmarshal(line, &r); err != nil {
		return r, &Fault{FaultBadRequest, "cannot read the request: it is no JSON object on one line"}
	}
	if r.Version != Version {
		return r, &Fault{FaultVersion, fmt.Sprintf("this relay speaks version %d", Version)}
	}
	if !isWord(r.Command) {
		return r, &Fault{FaultBadRequest, "a command is one word of at most 32 of a-z"}
	}
	if !isName(r.PdT) {
		return r,
			&Fault{FaultBadRequest, fmt.Sprintf("the name of a PdT is at most %d of printable ASCII without space",
				maxName)}
	}
	return r, nil
}

// readUntil allows reading from a client until at (zero: for ever), and no longer than ctx lasts; release detaches it
// from ctx.
func readUntil(ctx context.Context, c net.Conn, at time.Time) (release func() bool) {
	_ = c.SetReadDeadline(at)
	return context.AfterFunc(ctx, func() { _ = c.SetReadDeadline(time.Unix(1, 0)) })
}

// levelOf returns the level at which a command is logged: a user interface that asks for the status every second must
// not fill the log.
func levelOf(command string) slog.Level {
	if command == "status" {
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// isWord reports whether a command is fit for a log.
func isWord(s string) bool {
	for _, c := range s {
		if c < 'a' || c > 'z' {
			return false
		}
	}
	return len(s) > 0 && len(s) <= 32
}

// isName reports whether the name of a PdT, which may be absent, is fit for a log.
func isName(s string) bool {
	for _, c := range s {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return len(s) <= maxName
}

// answer handles a request; its context ends if the client goes away or sends more.
func (s *Server) answer(ctx context.Context, c net.Conn, who string, asked Request) {
	defer readUntil(ctx, c, time.Time{})()
	ctx, cancel := context.WithCancel(ctx)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		defer cancel()
		_, _ = io.ReadFull(c, make([]byte, 1))
	}()
	if err := local.WriteLine(c, s.cfg.Handle(ctx, who, asked), answerTime); err != nil {
		s.cfg.Log.Debug("control answer not taken", "error", err)
	}
	cancel()
	_ = c.SetReadDeadline(time.Unix(1, 0))
	<-gone
}

func (s *Server) refuse(c net.Conn, f *Fault) {
	_ = local.WriteLine(c, faultAnswer{Version, f}, answerTime)
}
