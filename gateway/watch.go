package gateway

import (
	"context"
	"fmt"
	"time"

	"tlagate/pki"
	"tlagate/session/link"
)

// watch checks every proven peer again when revocation data changes, and regularly: certificates
// and CRLs end by themselves (C2).
func (g *Gateway) watch(ctx context.Context) {
	tick := time.NewTicker(g.limits.Recheck)
	defer tick.Stop()
	for {
		changed := g.party.Trust.Changed()
		select {
		case <-changed:
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		g.recheck()
	}
}

// recheck cuts every connection whose certificates no longer pass.
func (g *Gateway) recheck() {
	ends, idle := g.connections()
	for _, e := range ends {
		if err := e.check(); err != nil {
			g.cut(e, err)
		}
	}
	for _, c := range idle {
		if err := g.party.Trust.Recheck(c.peer); err != nil {
			g.log.Warn("connection cut", "remote", c.remote, "peer", c.peer.Identity.String(),
				"reason", string(pki.ReasonOf(err)), "error", err)
			c.conn.Close()
		}
	}
}

// check verifies an end's certificates with the present data.
func (e *end) check() error {
	if err := e.g.party.Trust.Recheck(e.client.peer); err != nil {
		return err
	}
	if e.declared != nil {
		return e.declared.check(e.g.party.Trust)
	}
	return nil
}

// cut ends what an end takes part in, and says whose certificate it was and why.
func (g *Gateway) cut(e *end, err error) {
	id := e.client.peer.Identity
	reason := pki.ReasonOf(err)
	g.log.Warn("link cut", "remote", e.client.remote, "peer", id.String(), "reason", string(reason), "error", err)
	n := link.Notice{Code: link.CodeRevoked, Text: fmt.Sprintf("The certificate of %s no longer passes: %s.", id, reason)}
	if reason == pki.Expired {
		n.Code = link.CodeExpired
	}
	if s := e.session.Load(); s != nil {
		s.end(n, string(reason))
		return
	}
	e.link.Part(n)
}

// connections gives the ends of links, and the clients without one.
func (g *Gateway) connections() (ends []*end, idle []*client) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.clients {
		if c.end != nil {
			ends = append(ends, c.end)
		} else {
			idle = append(idle, c)
		}
	}
	return ends, idle
}
