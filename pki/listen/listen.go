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
	"sync"
	"time"

	"tlagate/pki"
)

// Config configures a Listener. It must not be changed once given.
type Config struct {
	Party      *pki.Party // our server certificate, and whom we trust
	ALPN       string     // "" = pki.ALPNOuter
	Handshakes int        // under way at once; 0 = 256
	PerAddress int        // of them from one address; 0 = 32
	Open       bool       // who shows no certificate passes too, as an anonymous peer: for enrolment alone
	Log        *slog.Logger

	// Observe is told of each connection when its handshake is over: how long it took, and nil, ErrTooMany or why there is
	// no proven peer. Many goroutines call it at once; it must not block. nil = nobody is told.
	Observe func(took time.Duration, err error)

	// Divert looks at a connection before its handshake, within the handshake's time (ctx), and gives it on as if it had
	// not been read; or take, which has it served in another way, without a peer that is proven, until ctx ends. nil = none is.
	Divert func(ctx context.Context, c net.Conn) (again net.Conn, take func(ctx context.Context))
}

// ErrTooMany: there were too many handshakes under way, in all or from this address, to begin another.
var ErrTooMany = errors.New("too many handshakes under way, in all or from this address")

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
	if _, ok := errors.AsType[*pki.Rejected](err); ok {
		return Rejected
	}
	return cmp.Or(string(pki.ReasonOf(err)), string(pki.HandshakeFailed))
}

// Conn is a connection with a proven peer.
type Conn struct {
	net.Conn // TLS
	Peer     *pki.Peer
}

// Listener gives proven connections: what Accept returns is a *Conn. Any role passes; with Config.Open also a peer that
// shows no certificate (Peer.Anonymous).
type Listener struct {
	net.Listener
	cfg  Config
	gate gate

	ctx     context.Context
	stop    context.CancelCauseFunc // the cause is what Accept gives from then on
	proven  chan *Conn
	running sync.WaitGroup
}

// New accepts on l until it is closed or fails.
func New(l net.Listener, cfg Config) *Listener {
	cfg.ALPN = cmp.Or(cfg.ALPN, pki.ALPNOuter)
	cfg.Log = cmp.Or(cfg.Log, slog.New(slog.DiscardHandler))
	if cfg.Observe == nil {
		cfg.Observe = func(time.Duration, error) {}
	}
	out := &Listener{Listener: l, cfg: cfg, proven: make(chan *Conn),
		gate: gate{total: cmp.Or(cfg.Handshakes, 256), each: cmp.Or(cfg.PerAddress, 32)}}
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

// Pending gives the number of handshakes under way.
func (l *Listener) Pending() int {
	l.gate.mu.Lock()
	defer l.gate.mu.Unlock()
	return l.gate.all
}

func (l *Listener) run() {
	for {
		conn, err := l.Listener.Accept()
		if passing(err) {
			l.cfg.Log.Error("cannot accept a connection; trying again", "error", err)
			sleep(l.ctx, 100*time.Millisecond)
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

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (l *Listener) admit(conn net.Conn) {
	remote := conn.RemoteAddr().String()
	leave, ok := l.gate.enter(remote)
	if !ok {
		l.cfg.Log.Warn("connection refused", "remote", remote, "peer", "claimed", "reason", TooMany, "error", ErrTooMany)
		l.cfg.Observe(0, ErrTooMany)
		conn.Close()
		return
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(l.ctx, cmp.Or(l.cfg.Party.Timeout, handshakeTime))
	defer cancel()
	if l.cfg.Divert != nil {
		again, take := l.cfg.Divert(ctx, conn)
		if take != nil {
			leave()
			take(l.ctx)
			return
		}
		conn = again
	}
	proven, peer, err := l.handshake(ctx, conn)
	leave()
	l.cfg.Observe(time.Since(began), err)
	if err != nil {
		l.logRefusal(remote, err)
		return
	}
	select {
	case l.proven <- &Conn{proven, peer}:
	case <-l.ctx.Done():
		proven.Close()
	}
}

const handshakeTime = 10 * time.Second // with what looks at it before

func (l *Listener) handshake(ctx context.Context, conn net.Conn) (*tls.Conn, *pki.Peer, error) {
	want := pki.Want{Usage: x509.ExtKeyUsageClientAuth}
	if l.cfg.Open {
		return l.cfg.Party.OpenServer(ctx, conn, l.cfg.ALPN, want)
	}
	return l.cfg.Party.Server(ctx, conn, l.cfg.ALPN, want)
}

func (l *Listener) logRefusal(remote string, err error) {
	if _, ok := errors.AsType[*pki.Rejected](err); ok {
		l.cfg.Log.Warn("peer refused us in the handshake", "remote", remote, "peer", "claimed", "reason", Rejected, "error", err)
		return
	}
	claimed := ""
	if r, ok := errors.AsType[*pki.Refusal](err); ok {
		claimed = r.Claimed.String()
	}
	l.cfg.Log.Warn("handshake refused", "remote", remote, "peer", "claimed", "claimed", claimed,
		"reason", ReasonOf(err), "error", err)
}
