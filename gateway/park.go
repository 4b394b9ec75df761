package gateway

import (
	"net/http"

	"tlagate/session/link"
)

// park keeps a PdT's link until a TLA asks for it.
func (g *Gateway) park(c *client, w http.ResponseWriter, r *http.Request) *link.Problem {
	if !mayAsk(c.peer.Identity.Role, "park") {
		return wrongRole("Only a PdT can park a link.")
	}
	if p := checkUpgrade(w, r); p != nil {
		return p
	}
	if p := g.bundles.checkVersion(c, w, r); p != nil {
		return p
	}
	if p := g.checkCrypto(c); p != nil {
		return p
	}
	if p := g.programs.check(c, r); p != nil {
		return p
	}
	declared, p := g.declared(c, r.Header)
	if p != nil {
		return p
	}
	if p := g.parked.reserve(c.peer.Identity); p != nil {
		return p
	}
	e, err := g.upgrade(c, w, declared)
	if err != nil {
		g.parked.release(c.peer.Identity)
		g.log.Warn("cannot park", "remote", c.remote, "peer", c.identity(), "reason", "network", "error", err)
		return nil
	}
	g.log.Info("parked", "remote", c.remote, "peer", c.identity())
	go e.pump()
	g.parked.add(e)
	g.lately.parked(c)
	g.watcher.adopt(c)
	return nil
}
