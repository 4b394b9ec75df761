package gateway

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"log/slog"
	"slices"
	"sync"
	"time"

	"tlagate/pki"
	"tlagate/pki/trust"
	"tlagate/session/link"
)

// statusSender sends the ends of a session, which reach no responder or need not, the signed OCSP answers and the ARL
// by which they verify each other, and themselves (docs/protocol.md, section 2.1). They verify all of it.
type statusSender struct {
	party   *trust.Party
	users   func() *users // of now
	bundles *bundles
	log     *slog.Logger
}

// sentStatus is what an end was last sent.
type sentStatus struct {
	mu  sync.Mutex // protects sum; held while sending
	sum [sha256.Size]byte
}

// sendJoined sends both ends of a new session their status, before any data passes.
func (ss *statusSender) sendJoined(s *session, tla, pdt *end) {
	list := ss.of(ss.ownPath(), tla, pdt)
	ss.send(tla, list)
	ss.send(pdt, append(slices.Clip(list), ss.ofUser(s)...))
}

// ofUser returns what a PdT needs to verify the user of a session.
func (ss *statusSender) ofUser(s *session) (list []link.Status) {
	person, users := s.user.person, ss.users()
	if person == nil || users.Persons == nil {
		return nil
	}
	for _, piece := range users.Persons.StatusFor(person.Chain) {
		list = append(list, link.Status(piece))
	}
	if !users.SendCRLs {
		return list
	}
	lists, err := users.Persons.CRLsFor(person.Chain, link.MaxCRL)
	if err != nil {
		ss.log.Warn("the Poste de Travail is not sent a CRL about the terminal's user", "session", s.id, "error", err)
	}
	for _, piece := range lists {
		list = append(list, link.Status(piece))
	}
	return list
}

// renew sends every link, each Limits.Recheck, the status that has changed since the last time (answers are renewed
// long before they end), and the ticket that is due.
func (g *Gateway) renew(ctx context.Context) {
	tick := time.NewTicker(g.limits.Recheck)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		own := g.status.ownPath()
		for _, c := range g.clients.all() {
			if e := c.end.Load(); e != nil {
				g.status.resend(e, g.status.allOf(own, e))
				g.tickets.renew(e)
			}
		}
	}
}

// partners returns the ends whose certificates matter to an end.
func (e *end) partners() []*end {
	if s := e.session.Load(); s != nil {
		return []*end{s.tla, s.pdt}
	}
	return []*end{e}
}

// allOf returns the status that an end is sent.
func (ss *statusSender) allOf(own []*x509.Certificate, e *end) []link.Status {
	list := ss.of(own, e.partners()...)
	if s := e.session.Load(); s != nil && e == s.pdt {
		list = append(list, ss.ofUser(s)...)
	}
	return list
}

// of returns the status of our own certificate, and of those that the ends show in card sessions.
func (ss *statusSender) of(own []*x509.Certificate, ends ...*end) []link.Status {
	paths := [][]*x509.Certificate{own}
	for _, e := range ends {
		path := e.client.peer.Verdict.Path
		if e.declared != nil {
			path = e.declared.path
		}
		paths = append(paths, path)
	}
	var list []link.Status
	for _, s := range ss.party.Trust.StatusFor(paths...) {
		list = append(list, link.Status(s))
	}
	return append(list, ss.bundles.signerStatus(ends...)...)
}

// ownPath returns the path from our own certificate to its anchor; nil when there is none.
func (ss *statusSender) ownPath() []*x509.Certificate {
	own := ss.party.Certificate()
	if own == nil {
		return nil
	}
	chain, err := pki.ParseChain(own.Certificate)
	if err != nil {
		return nil
	}
	verdict, _ := ss.party.Trust.VerifyKnown(chain, trust.Want{Usage: x509.ExtKeyUsageServerAuth})
	return verdict.Path
}

// send sends status to an end, unless that is what it was last sent. If the link is over, its pump finds out.
func (ss *statusSender) send(e *end, list []link.Status) {
	e.status.mu.Lock()
	defer e.status.mu.Unlock()
	if sum := digest(list); len(list) > 0 && sum != e.status.sum {
		e.status.sum = sum
		if err := e.link.WriteStatus(list); err != nil {
			ss.log.Debug("status not sent", "remote", e.client.remote, "peer", e.client.identity(), "error", err)
		}
	}
}

// resend is send for a caller that must not wait for a peer that does not read.
func (ss *statusSender) resend(e *end, list []link.Status) {
	if e.status.mu.TryLock() {
		changed := len(list) > 0 && digest(list) != e.status.sum
		e.status.mu.Unlock()
		if changed {
			go ss.send(e, list)
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
