package gateway

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"tlagate/pki"
)

// client is a connection whose peer is proven.
type client struct {
	conn   net.Conn
	peer   *pki.Peer
	remote string
	end    *end // of its link, once upgraded; protected by the gateway's mu

	// Owned by the connection's request handler: HTTP/1.1 has one at a time.
	nonce   string // issued and not yet used
	nonceAt time.Time
}

func (c *client) identity() string { return c.peer.Identity.String() }

// accept takes connections until ctx ends or the listener fails.
func (g *Gateway) accept(ctx context.Context, l net.Listener) error {
	var handshakes sync.WaitGroup
	defer handshakes.Wait()
	for {
		conn, err := l.Accept()
		if passing(err) {
			g.log.Error("cannot accept a connection; trying again", "error", err)
			sleep(ctx, acceptPause)
			continue
		}
		if err != nil {
			return ignoreClosed(err)
		}
		handshakes.Go(func() { g.admit(ctx, conn) })
	}
}

// acceptPause gives connections time to end when files or memory have run out.
const acceptPause = 100 * time.Millisecond

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

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// admit performs the handshake, before anything else is read, and hands the proven connection to net/http.
func (g *Gateway) admit(ctx context.Context, conn net.Conn) {
	remote := conn.RemoteAddr().String()
	leave, err := g.pending.enter(remote)
	if err != nil {
		g.log.Warn("connection refused", "remote", remote, "peer", "claimed", "reason", tooMany, "error", err)
		conn.Close()
		return
	}
	defer leave()
	proven, peer, err := g.party.Server(ctx, conn, pki.ALPNOuter, pki.Want{Usage: x509.ExtKeyUsageClientAuth})
	if err != nil {
		g.logRefusal(remote, err)
		return
	}
	g.welcome(ctx, &client{conn: proven, peer: peer, remote: remote})
}

// welcome registers a proven client. Its certificate is looked at once more, since it was not watched until now.
func (g *Gateway) welcome(ctx context.Context, c *client) {
	if err := g.register(c); err != nil {
		g.log.Warn("connection refused", "remote", c.remote, "peer", c.identity(), "reason", tooMany, "error", err)
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

func (g *Gateway) logRefusal(remote string, err error) {
	if _, ok := errors.AsType[*pki.Rejected](err); ok {
		g.log.Warn("peer refused us in the handshake", "remote", remote, "peer", "claimed", "reason", "rejected", "error", err)
		return
	}
	claimed := ""
	if r, ok := errors.AsType[*pki.Refusal](err); ok {
		claimed = r.Claimed.String()
	}
	g.log.Warn("handshake refused", "remote", remote, "peer", "claimed", "claimed", claimed, "reason", string(pki.ReasonOf(err)), "error", err)
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
