package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"tlagate/pki/listen"
	"tlagate/pki/trust"
)

// client is a connection whose peer is proven.
type client struct {
	conn   net.Conn
	peer   *trust.Peer
	remote string
	end    *end        // of its link, once upgraded; protected by the gateway's mu
	cut    atomic.Bool // while it was no link yet: its certificate no longer passes

	// Owned by the connection's request handler: HTTP/1.1 has one at a time.
	nonce   string // issued and not yet used
	nonceAt time.Time
}

func (c *client) identity() string { return c.peer.Identity.String() }

// accept takes proven connections until the listener is closed or fails.
func (g *Gateway) accept(ctx context.Context, l *listen.Listener) error {
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		proven := conn.(*listen.Conn)
		g.welcome(ctx, &client{conn: proven.Conn, peer: proven.Peer, remote: proven.RemoteAddr().String()})
	}
}

// Why a proven connection is closed before any request of it is read.
var (
	errTooMany       = errors.New("as many connections are open as may be")
	errTooManyOfPeer = errors.New("this peer has as many connections as one may have")

	fullness = map[error]string{errTooMany: fullAll, errTooManyOfPeer: fullPeer}
)

// welcome registers a proven client. Its certificate is looked at once more, since it was not watched until now.
func (g *Gateway) welcome(ctx context.Context, c *client) {
	if err := g.register(c); err != nil {
		line := listen.Line{Level: slog.LevelWarn, Message: "connection refused", Remote: c.remote, Reason: listen.TooMany}
		g.told.Log(line, "peer", c.identity(), "error", err)
		g.meters.connectionsFull.WithLabelValues(fullness[err]).Inc()
		c.conn.Close()
		return
	}
	g.log.Info("connection accepted", "remote", c.remote, "peer", c.identity())
	g.mind(c)
	select {
	case g.accepted <- c.conn:
	case <-ctx.Done():
		g.forget(c.conn)
		c.conn.Close()
	}
}

func (g *Gateway) register(c *client) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.clients) >= g.limits.Connections {
		return errTooMany
	}
	if g.having[c.peer.Identity] >= g.limits.ConnectionsPerPeer {
		return errTooManyOfPeer
	}
	g.clients[c.conn] = c
	g.having[c.peer.Identity]++
	return nil
}

// forget undoes register; it may be called twice.
func (g *Gateway) forget(conn net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := g.clients[conn]
	if c == nil {
		return
	}
	delete(g.clients, conn)
	if g.having[c.peer.Identity]--; g.having[c.peer.Identity] == 0 {
		delete(g.having, c.peer.Identity)
	}
}

type clientKey struct{}

// withClient lets handlers find the client of a request.
func (g *Gateway) withClient(ctx context.Context, conn net.Conn) context.Context {
	g.mu.Lock()
	defer g.mu.Unlock()
	return context.WithValue(ctx, clientKey{}, g.clients[conn])
}

func (g *Gateway) connState(conn net.Conn, state http.ConnState) {
	if state == http.StateClosed {
		g.forget(conn)
	}
}
