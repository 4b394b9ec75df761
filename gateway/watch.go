package gateway

import (
	"context"
	"fmt"
	"time"

	"tlagate/pki"
	"tlagate/session/link"
)

// watch checks every proven peer again when revocation data change, when a certificate ends, and every
// Limits.Recheck, since a CRL becomes stale and a clock is set by themselves (C2).
func (g *Gateway) watch(ctx context.Context) {
	for {
		changed := g.party.Trust.Updated() // before the look, or a change during it would be missed; denials: see watchDenials
		timer := time.NewTimer(g.recheck())
		select {
		case <-changed:
			g.log.Info("revocation data changed: all peers are checked again")
		case <-g.wake:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
	}
}

// soonest keeps a clock that stands still from making watch spin.
const soonest = 100 * time.Millisecond

// recheck cuts every connection whose certificates no longer pass, and says when to look again.
func (g *Gateway) recheck() time.Duration {
	next := g.limits.Recheck
	g.lookNext(time.Time{})
	clients := g.allClients()
	for _, c := range clients {
		if g.recheckClient(c) {
			next = min(next, max(time.Until(g.certificateEnd(c)), soonest))
		}
	}
	g.lookNext(time.Now().Add(next))
	g.log.Debug("peers checked again", "connections", len(clients), "next", next)
	return next
}

func (g *Gateway) lookNext(at time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.nextLook = at
}

// mind checks a client that has a certificate nobody watched until now, and sees to it that watch does from now on.
func (g *Gateway) mind(c *client) {
	if !g.recheckClient(c) {
		return
	}
	ends := g.certificateEnd(c)
	g.mu.Lock()
	defer g.mu.Unlock()
	if ends.After(g.nextLook) && !g.nextLook.IsZero() {
		return
	}
	select {
	case g.wake <- struct{}{}:
	default: // it is awake
	}
}

// recheckClient cuts a connection whose certificates no longer pass; true when they do.
func (g *Gateway) recheckClient(c *client) bool {
	if err := g.party.Trust.Recheck(c.peer); err != nil {
		g.cut(c, err)
		return false
	}
	e := g.endOf(c)
	if e == nil || e.declared == nil {
		return true
	}
	if err := e.declared.check(g.party.Trust); err != nil {
		g.cut(c, err)
		return false
	}
	return true
}

// cut ends what a client takes part in, and says whose certificate it was and why.
func (g *Gateway) cut(c *client, err error) {
	reason := pki.ReasonOf(err)
	e := g.endOf(c)
	if e == nil {
		if !c.cut.CompareAndSwap(false, true) {
			return // it is being closed
		}
		g.meters.cuts.WithLabelValues(string(reason)).Inc()
		g.log.Warn("connection cut", "remote", c.remote, "peer", c.identity(), "reason", string(reason), "error", err)
		go c.conn.Close() // may take a while, if the peer does not read
		return
	}
	if !e.cut.CompareAndSwap(false, true) {
		return
	}
	g.meters.cuts.WithLabelValues(string(reason)).Inc()
	g.log.Warn("link cut", "remote", c.remote, "peer", c.identity(), "reason", string(reason), "error", err)
	n := link.Notice{Code: link.CodeRevoked, Text: fmt.Sprintf("The certificate of %s no longer passes: %s.", c.identity(), reason)}
	if reason == pki.Expired {
		n = link.Notice{Code: link.CodeExpired, Text: fmt.Sprintf("The certificate of %s has ended.", c.identity())}
	}
	e.end(n, string(reason))
}

// certificateEnd is when the first of a client's certificates ends.
func (g *Gateway) certificateEnd(c *client) time.Time {
	end := c.peer.NotAfter
	if e := g.endOf(c); e != nil && e.declared != nil && e.declared.notAfter.Before(end) {
		return e.declared.notAfter
	}
	return end
}

func (g *Gateway) endOf(c *client) *end {
	g.mu.Lock()
	defer g.mu.Unlock()
	return c.end
}

func (g *Gateway) allClients() []*client {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := make([]*client, 0, len(g.clients))
	for _, c := range g.clients {
		all = append(all, c)
	}
	return all
}
