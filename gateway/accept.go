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

// accept takes connections until ctx ends or the listener fails.
func (g *Gateway) accept(ctx context.Context, l net.Listener) error {
	var handshakes sync.WaitGroup
	defer handshakes.Wait()
	for {
		conn, err := l.Accept()
		if temporary(err) {
			g.log.Error("cannot accept a connection; trying again", "error", err)
			time.Sleep(50 * time.Millisecond)
			continue
		}
		if err != nil {
			return ignoreClosed(err)
		}
		handshakes.Go(func() { g.admit(ctx, conn) })
	}
}

// temporary: out of files or memory, which passes when connections end.
func temporary(err error) bool {
	var e net.Error
	return errors.As(err, &e) && !errors.Is(err, net.ErrClosed)
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
		g.log.Warn("connection refused", "remote", remote, "reason", "too_many", "error", err)
		conn.Close()
		return
	}
	defer leave()
	proven, peer, err := g.party.Server(ctx, conn, pki.ALPNOuter, pki.Want{Usage: x509.ExtKeyUsageClientAuth})
	if err != nil {
		g.logRefusal(remote, err)
		return
	}
	c := &client{conn: proven, peer: peer, remote: remote}
	if err := g.register(c); err != nil {
		g.log.Warn("connection refused", "remote", remote, "peer", peer.Identity.String(), "reason", "too_many", "error", err)
		proven.Close()
		return
	}
	g.log.Info("connection accepted", "remote", remote, "peer", peer.Identity.String())
	select {
	case g.accepted <- proven:
	case <-ctx.Done():
		g.forget(proven)
		proven.Close()
	}
}

func (g *Gateway) logRefusal(remote string, err error) {
	var rejected *pki.Rejected
	if errors.As(err, &rejected) {
		g.log.Warn("peer refused us in the handshake", "remote", remote, "peer", "claimed", "reason", "rejected", "error", err)
		return
	}
	claimed := ""
	if r := (*pki.Refusal)(nil); errors.As(err, &r) {
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
	g.clients[c.conn] = c
	return nil
}

func (g *Gateway) forget(conn net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.clients, conn)
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

// gate bounds handshakes under way, in all and from one address.
type gate struct {
	total, each int

	mu  sync.Mutex // protects the rest
	all int
	by  map[string]int
}

// enter takes a place; leave gives it back.
func (g *gate) enter(remote string) (leave func(), err error) {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		host = remote
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.all >= g.total || g.by[host] >= g.each {
		return nil, errTooMany
	}
	if g.by == nil {
		g.by = map[string]int{}
	}
	g.all++
	g.by[host]++
	return func() { g.leave(host) }, nil
}

func (g *gate) leave(host string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.all--
	if g.by[host]--; g.by[host] == 0 {
		delete(g.by, host)
	}
}
