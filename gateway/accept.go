package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"time"

	"tlagate/pki/listen"
)

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
		g.welcome(ctx, &client{conn: proven.Conn, peer: proven.Peer, remote: proven.RemoteAddr().String(),
			since: time.Now()})
	}
}

// welcome registers a proven client and hands its connection to net/http. Its certificate is checked once more, since
// nobody watched it until now.
func (g *Gateway) welcome(ctx context.Context, c *client) {
	if err := g.clients.add(c); err != nil {
		line := listen.Line{Level: slog.LevelWarn, Message: "connection refused", Remote: c.remote,
			Reason: listen.TooMany}
		g.ration.Log(line, "peer", c.identity(), "error", err)
		g.meters.connectionsFull.WithLabelValues(fullness[err]).Inc()
		g.trace.peers.Full(c.peer, c.remote)
		g.lately.full(c)
		c.conn.Close()
		return
	}
	g.log.Info("connection accepted", "remote", c.remote, "peer", c.identity(), "tls", c.peer.TLS.String())
	g.trace.peers.Accepted(c.peer, c.remote)
	c.peer.Verdict.Revocation = nil // nobody else asks, and the peer may stay for hours
	g.lately.came(c)
	c.hasty = g.rates.Handshakes.Take(c.peer.Identity)
	g.watcher.adopt(c)
	select {
	case g.accepted <- c.conn:
	case <-ctx.Done():
		g.clients.remove(c.conn)
		c.conn.Close()
	}
}

// handover is the listener from which net/http accepts proven connections.
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
