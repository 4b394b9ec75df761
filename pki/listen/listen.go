// Package listen accepts connections and passes on only those whose peer is proven by mutual TLS, so that net/http
// and others never see a stranger. Handshakes run concurrently, bounded in all and from one address; every refusal is
// logged with its reason (C2).
package listen

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"tlagate/internal/pulse"
	"tlagate/internal/quick"
	"tlagate/internal/retry"
	"tlagate/pki"
	"tlagate/pki/trust"
)

// Config configures a Listener. It must not be changed after the call to New.
type Config struct {
	Party      *trust.Party // our server certificate, and whom we trust
	ALPN       string       // "" = trust.ALPNOuter
	Handshakes int          // connections at once whose peer is not proven; 0 = as many as the limit of files allows
	PerAddress int          // of them from one address; 0 = all
	Open       bool         // a peer without a certificate passes too, for enrolment alone; all peers count then
	Log        *slog.Logger

	// Balancers are the addresses of load balancers. A connection from there must begin with a PROXY header, version 2;
	// from elsewhere none is read. nil = none.
	Balancers []netip.Prefix

	// Observe is called for each connection when its handshake is over, with how long it took, and nil, ErrTooMany, or
	// why there is no proven peer. Many goroutines call it at once; it must not block. nil = not called.
	Observe func(took time.Duration, err error)

	// Refused is called for each connection that gave no proven peer, with its remote address and why (ReasonOf), after
	// Observe and as often: it must not block. nil = not called.
	Refused func(remote string, err error)

	// Divert examines a connection before its handshake, within the handshake's time (ctx). It returns the connection
	// as if it had not been read; or it returns take, which serves the connection in another way, without a proven
	// peer, until take's ctx ends. nil = no connection is diverted.
	Divert func(ctx context.Context, c net.Conn) (again net.Conn, take func(ctx context.Context))
}

// What ReasonOf returns beside the reasons of package pki.
const (
	TooMany  = "too_many"
	Rejected = "rejected" // the peer refused us
	NoHeader = "proxy_header"
)

// ReasonOf returns the one stable word for why a connection failed.
func ReasonOf(err error) string {
	if errors.Is(err, ErrTooMany) {
		return TooMany
	}
	if errors.Is(err, ErrNoHeader) {
		return NoHeader
	}
	if _, ok := errors.AsType[*trust.Rejected](err); ok {
		return Rejected
	}
	return cmp.Or(string(pki.ReasonOf(err)), string(pki.HandshakeFailed))
}

// Conn is a connection with a proven peer.
type Conn struct {
	net.Conn // TLS
	Peer     *trust.Peer

	leave func() // gives its place back (Door); nil = it has none
}

// Close closes the connection, which gives back its place.
func (c *Conn) Close() error {
	if c.leave != nil {
		c.leave()
	}
	return c.Conn.Close()
}

// Listener accepts proven connections: what Accept returns is a *Conn. Any role passes; with Config.Open also a peer
// that shows no certificate (Peer.Anonymous).
type Listener struct {
	net.Listener
	cfg    Config
	room   *Room
	hall   *Room // for connections of balancers without their header
	ration *Ration

	ctx     context.Context
	stop    context.CancelCauseFunc // the cause is what Accept returns from then on
	proven  chan *Conn
	taking  *pulse.Loop // whoever calls Accept
	running sync.WaitGroup
}

// New starts to accept connections on l, until the Listener is closed or l fails.
func New(l net.Listener, cfg Config) *Listener {
	cfg.ALPN = cmp.Or(cfg.ALPN, trust.ALPNOuter)
	cfg.Log = cmp.Or(cfg.Log, slog.New(slog.DiscardHandler))
	if cfg.Observe == nil {
		cfg.Observe = func(time.Duration, error) {}
	}
	if cfg.Refused == nil {
		cfg.Refused = func(string, error) {}
	}
	room := NewRoom(RoomConfig{Places: cfg.Handshakes, Each: cfg.PerAddress, Turns: 2 * runtime.GOMAXPROCS(0)})
	out := &Listener{Listener: l, cfg: cfg, proven: make(chan *Conn), room: room, ration: NewRation(cfg.Log),
		taking: pulse.New(), hall: NewRoom(RoomConfig{Places: hall, Silent: 2 * silentTime})}
	out.ctx, out.stop = context.WithCancelCause(context.Background())
	out.running.Go(out.run)
	return out
}

// Accept returns the next proven connection; net.ErrClosed after Close.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		select {
		case c := <-l.proven:
			return c, nil
		case <-l.taking.Asked():
		case <-l.ctx.Done():
			return nil, context.Cause(l.ctx)
		}
	}
}

// Alive returns when whoever accepts connections waits for the next one, or accepts no more.
func (l *Listener) Alive() { l.taking.Wait() }

// Close stops listening, cuts off handshakes, and returns when none is left.
func (l *Listener) Close() error {
	l.stop(net.ErrClosed)
	err := l.Listener.Close()
	l.running.Wait()
	return err
}

// Pending returns the number of connections whose peer is not proven yet.
func (l *Listener) Pending() int { return l.room.Guests() + l.hall.Guests() }

func (l *Listener) run() {
	defer l.taking.End()
	for {
		conn, err := l.Listener.Accept()
		if temporary(err) {
			l.ration.Log(Line{Level: slog.LevelError, Message: "cannot accept a connection; trying again",
				Reason: TooMany},
				"error", err)
			l.room.relieve()
			l.hall.relieve()
			retry.Sleep(l.ctx, 10*time.Millisecond)
			continue
		}
		if err != nil {
			l.stop(err)
			return
		}
		l.running.Go(func() { l.admit(quick.Conn(conn)) })
	}
}

// temporary reports whether Accept may succeed later: the process is out of files or memory.
func temporary(err error) bool {
	var e net.Error
	return errors.As(err, &e) && !errors.Is(err, net.ErrClosed)
}

// admit brings one connection from its first octets to its proven peer, or to its end.
func (l *Listener) admit(accepted net.Conn) {
	began := time.Now()
	conn, err := l.whose(accepted)
	if err != nil {
		l.refuse(accepted, began, err)
		return
	}
	guest := l.room.Enter(conn)
	ctx, cancel := context.WithTimeout(l.ctx, cmp.Or(l.cfg.Party.Timeout, handshakeTime))
	defer cancel()
	conn = guest
	if l.cfg.Divert != nil {
		again, take := l.cfg.Divert(ctx, conn)
		if take != nil {
			guest.Leave()
			take(l.ctx)
			return
		}
		conn = again
	}
	proven, peer, err := l.handshake(ctx, conn)
	if err != nil {
		guest.Leave()
		l.refuse(conn, began, outcome(guest, err))
		return
	}
	l.welcome(guest, peer)
	l.cfg.Observe(time.Since(began), nil)
	select {
	case l.proven <- &Conn{Conn: proven, Peer: peer}:
	case <-l.ctx.Done():
		proven.Close()
	}
}

// refuse says why a connection gave no proven peer.
func (l *Listener) refuse(conn net.Conn, began time.Time, err error) {
	l.cfg.Observe(time.Since(began), err)
	l.cfg.Refused(conn.RemoteAddr().String(), err)
	l.logRefusal(conn.RemoteAddr().String(), err)
}

// welcome takes a proven peer out of the room; with Config.Open, every peer stays in it.
func (l *Listener) welcome(guest *Guest, peer *trust.Peer) {
	if !peer.Anonymous() {
		guest.Proven()
	}
	if !l.cfg.Open {
		guest.Leave()
	}
}

// outcome returns why a handshake failed. The error of a connection that was sent away says nothing: it is sent away in
// the middle of anything.
func outcome(guest *Guest, err error) error {
	switch gone := guest.Gone(); {
	case errors.Is(gone, ErrSilent):
		return &pki.Refusal{Reason: pki.HandshakeSlow, Subject: "connection with " + guest.RemoteAddr().String(),
			Detail: gone.Error()}
	case gone != nil:
		return gone
	}
	return err
}

const handshakeTime = 10 * time.Second // including Config.Divert

func (l *Listener) handshake(ctx context.Context, conn net.Conn) (*tls.Conn, *trust.Peer, error) {
	want := trust.Want{Usage: x509.ExtKeyUsageClientAuth}
	if l.cfg.Open {
		return l.cfg.Party.OpenServer(ctx, conn, l.cfg.ALPN, want)
	}
	return l.cfg.Party.Server(ctx, conn, l.cfg.ALPN, want)
}

// logRefusal logs why a peer was refused, within its ration.
func (l *Listener) logRefusal(remote string, err error) {
	line, claimed := Line{Level: slog.LevelWarn, Message: "handshake refused", Remote: remote, Reason: ReasonOf(err)},
		""
	if r, ok := errors.AsType[*trust.Rejected](err); ok {
		line.Message, line.Kind = "peer refused us in the handshake", string(r.Reason)
	}
	if errors.Is(err, ErrTooMany) || errors.Is(err, ErrNoHeader) {
		line.Message = "connection refused"
	}
	if r, ok := errors.AsType[*pki.Refusal](err); ok {
		claimed = r.Claimed.String()
	}
	l.ration.Log(line, "peer", "claimed", "claimed", claimed, "error", err)
}
