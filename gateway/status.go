package gateway

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"sync"
	"time"

	"tlagate/pki"
	"tlagate/pki/trust"
	"tlagate/session/link"
)

// The ends of a session reach no responder, or need not: the gateway brings them the signed answers and the ARL by which
// they verify each other, and itself (docs/protocol.md, section 2.1). They believe none of it unverified.

// told is what an end was last sent.
type told struct {
	mu  sync.Mutex // protects sum; held while sending
	sum [sha256.Size]byte
}

// tellJoined sends both ends of a new session their status, before any data passes.
func (g *Gateway) tellJoined(tla, pdt *end) {
	own := g.ownPath()
	for _, e := range []*end{tla, pdt} {
		e.tell(g.statusOf(own, tla, pdt))
	}
}

// tellStatus sends every end what has changed since it was last told: answers are renewed long before they end.
func (g *Gateway) tellStatus(ctx context.Context) {
	tick := time.NewTicker(g.limits.Recheck)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		own := g.ownPath()
		for _, c := range g.allClients() {
			if e := g.endOf(c); e != nil {
				e.tellAgain(g.statusOf(own, e.partners()...))
				e.giveTicketAgain()
			}
		}
	}
}

// partners are the ends whose certificates matter to an end.
func (e *end) partners() []*end {
	if s := e.session.Load(); s != nil {
		return []*end{s.tla, s.pdt}
	}
	return []*end{e}
}

// statusOf gathers the status of our own certificate, and of those that the ends show in card sessions.
func (g *Gateway) statusOf(own []*x509.Certificate, ends ...*end) []link.Status {
	paths := [][]*x509.Certificate{own}
	for _, e := range ends {
		path := e.client.peer.Verdict.Path
		if e.declared != nil {
			path = e.declared.path
		}
		paths = append(paths, path)
	}
	var list []link.Status
	for _, s := range g.party.Trust.StatusFor(paths...) {
		list = append(list, link.Status(s))
	}
	return append(list, g.signersOf(ends...)...)
}

// ownPath leads from our own certificate to its anchor; nil when it leads nowhere.
func (g *Gateway) ownPath() []*x509.Certificate {
	own := g.party.Certificate()
	if own == nil {
		return nil
	}
	chain, err := pki.ParseChain(own.Certificate)
	if err != nil {
		return nil
	}
	verdict, _ := g.party.Trust.VerifyKnown(chain, trust.Want{Usage: x509.ExtKeyUsageServerAuth})
	return verdict.Path
}

// tell sends status to an end, unless it has just that already. Whether the link is over, its pump finds out.
func (e *end) tell(list []link.Status) {
	e.told.mu.Lock()
	defer e.told.mu.Unlock()
	if sum := digest(list); len(list) > 0 && sum != e.told.sum {
		e.told.sum = sum
		if err := e.link.WriteStatus(list); err != nil {
			e.g.log.Debug("status not sent", "remote", e.client.remote, "peer", e.client.identity(), "error", err)
		}
	}
}

// tellAgain is tell for whoever must not wait for a peer that does not read.
func (e *end) tellAgain(list []link.Status) {
	if e.told.mu.TryLock() {
		changed := len(list) > 0 && digest(list) != e.told.sum
		e.told.mu.Unlock()
		if changed {
			go e.tell(list)
		}
	}
}

func digest(list []link.Status) [sha256.Size]byte {
	h := sha256.New()
	for _, s := range list {
		h.Write(s.DER)
	}
	return [sha256.Size]byte(h.Sum(nil))
}
