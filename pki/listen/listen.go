// Package listen accepts connections and hands on only those whose peer is proven by mutual TLS, so that net/http
// and others never see a stranger. Handshakes run beside each other, bounded in all and from one address; every
// refusal is logged with its reason (C2).
package listen

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"time"

	"tlagate/internal/retry"
	"tlagate/pki"
	"tlagate/pki/trust"
)

// Config configures a Listener. It must not be changed once given.
type Config struct {
	Party      *trust.Party // our server certificate, and whom we trust
	ALPN       string       // "" = trust.ALPNOuter
	Handshakes int          // connections whose peer is not proven, at once; 0 = as many as the limit of files leaves
	PerAddress int          // of them from one address; 0 = all
	Open       bool         // a peer without a certificate passes too: for enrolment alone. All peers count then
	Log        *slog.Logger

	// Observe is told of each connection when its handshake is over: how long it took, and nil, ErrTooMany, or why
	// there is no proven peer. Many goroutines call it at once; it must not block. nil = nobody is told.
	Observe func(took time.Duration, err error)

	// Divert looks at a connection before its handshake, within the handshake's time (ctx), and gives it on as if it
	// had not been read; or take, which has it served in another way, without a peer that is proven, until ctx ends.
	// nil = none is.
	Divert func(ctx context.Context, c net.Conn) (again net.Conn, take func(ctx context.Context))
}

// Reasons of ReasonOf that are none of package pki's.
const (
	TooMany  = "too_many"
	Rejected = "rejected" // the peer refused us
)

// ReasonOf gives the one stable word for why a connection came to nothing.
func ReasonOf(err error) string {
	if errors.Is(err, ErrTooMany) {
		return TooMany
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
}

// Listener gives proven connections: what Accept returns is a *Conn. Any role passes; with Config.Open also a peer that
// shows no certificate (Peer.Anonymous).
type Listener struct {
	net.Listener
	cfg  Config
	room *Room
	told *Ration

	ctx     context.Context
	stop    context.CancelCauseFunc // the cause is what Accept gives from then on
	proven  chan *Conn
	running sync.WaitGroup
}

// New accepts on l until it is closed or fails.
func New(l net.Listener, cfg Config) *Listener {
	cfg.ALPN = cmp.Or(cfg.ALPN, trust.ALPNOuter)
	cfg.Log = cmp.Or(cfg.Log, slog.New(slog.DiscardHandler))
	if cfg.Observe == nil {
		cfg.Observe = func(time.Duration, error) {}
	}
	room := NewRoom(RoomConfig{Places: cfg.Handshakes, Each: cfg.PerAddress, Turns: 2 * runtime.GOMAXPROCS(0)})
	out := &Listener{Listener: l, cfg: cfg, proven: make(chan *Conn), room: room, told: NewRation(cfg.Log)}
	out.ctx, out.stop = context.WithCancelCause(context.Background())
	out.running.Go(out.run)
	return out
}

// Accept gives the next proven connection; net.ErrClosed after Close.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.proven:
		return c, nil
	case <-l.ctx.Done():
		return nil, context.Cause(l.ctx)
	}
}

// Close stops listening, breaks off handshakes, and returns when none is left.
func (l *Listener) Close() error {
	l.stop(net.ErrClosed)
	err := l.Listener.Close()
	l.running.Wait()
	return err
}

// Pending returns the number of connections whose peer is not proven yet.
func (l *Listener) Pending() int { return l.room.Guests() }

func (l *Listener) run() {
	for {
		conn, err := l.Listener.Accept()
		if passing(err) {
			l.told.Log(Line{Level: slog.LevelError, Message: "cannot accept a connection; trying again",
				Reason: TooMany},
				"error", err)
			l.room.Relieve()
			retry.Sleep(l.ctx, 10*time.Millisecond)
			continue
		}
		if err != nil {
			l.stop(err)
			return
		}
		l.running.Go(func() { l.admit(conn) })
	}
}

// passing: out of files or memory.
func passing(err error) bool {
	var e net.Error
	return errors.As(err, &e) && !errors.Is(err, net.ErrClosed)
}

// admit brings one connection from its first octets to its proven peer, or to its end.
func (l *Listener) admit(conn net.Conn) {
	guest := l.room.Enter(conn)
	began := time.Now()
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
		err = outcome(guest, err)
		l.cfg.Observe(time.Since(began), err)
		l.logRefusal(conn.RemoteAddr().String(), err)
		return
	}
	l.welcome(guest, peer)
	l.cfg.Observe(time.Since(began), nil)
	select {
	case l.proven <- &Conn{proven, peer}:
	case <-l.ctx.Done():
		proven.Close()
	}
}

// welcome takes a proven peer out of the room; where strangers pass, everybody stays in it.
func (l *Listener) welcome(guest *Guest, peer *trust.Peer) {
	if !peer.Anonymous() {
		guest.Proven()
	}
	if !l.cfg.Open {
		guest.Leave()
	}
}

// outcome returns why a handshake came to nothing: a connection that was sent away fails in any way at all.
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

const handshakeTime = 10 * time.Second // with what looks at it before

func (l *Listener) handshake(ctx context.Context, conn net.Conn) (*tls.Conn, *trust.Peer, error) {
	want := trust.Want{Usage: x509.ExtKeyUsageClientAuth}
	if l.cfg.Open {
		return l.cfg.Party.OpenServer(ctx, conn, l.cfg.ALPN, want)
	}
	return l.cfg.Party.Server(ctx, conn, l.cfg.ALPN, want)
}

// logRefusal says why, to a stranger's measure: the first lines of a kind, then how many more there were.
func (l *Listener) logRefusal(remote string, err error) {
	line, claimed := Line{Level: slog.LevelWarn, Message: "handshake refused", Remote: remote, Reason: ReasonOf(err)},
		""
	if r, ok := errors.AsType[*trust.Rejected](err); ok {
		line.Message, line.Kind = "peer refused us in the handshake", string(r.Reason)
	}
	if errors.Is(err, ErrTooMany) {
		line.Message = "connection refused"
	}
	if r, ok := errors.AsType[*pki.Refusal](err); ok {
		claimed = r.Claimed.String()
	}
	l.told.Log(line, "peer", "claimed", "claimed", claimed, "error", err)
}
