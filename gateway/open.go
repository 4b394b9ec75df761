package gateway

import (
	"context"
	"fmt"
	"net/http"

	"tlagate/pki"
	"tlagate/session/link"
)

// open joins a TLA with a PdT: first the nonce, then the join.
func (g *Gateway) open(c *client, w http.ResponseWriter, r *http.Request) *link.Problem {
	pdt, p := g.access.Load().mayOpen(c.peer.Identity, r.URL.Query().Get("pdt"))
	if p != nil {
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
	if g.sessions.isDraining() {
		return drainingProblem()
	}
	if r.Header.Get("Authorization") == "" {
		g.consents.challenge(c, w)
		return nil
	}
	if p := checkUpgrade(w, r); p != nil {
		return p
	}
	if p := g.opens.take(c.peer.Identity); p != nil {
		return p
	}
	s, joined, p := g.admit(c, pdt, r.Header.Get("Authorization"))
	if p != nil {
		return p
	}
	if s.generation == 1 {
		if p := spend(g.begins, c); p != nil {
			return p
		}
	}
	p = g.join(r.Context(), c, w, pdt, s, joined)
	if p != nil {
		g.trace.notBegun(s, c)
	}
	return p
}

// admit makes a session by its user's consent, or a further link of one by a ticket.
func (g *Gateway) admit(c *client, pdt pki.Identity, header string) (*session, link.Joined, *link.Problem) {
	auth, err := link.ParseAuthorization(header)
	if err != nil {
		return nil, link.Joined{}, &link.Problem{Code: link.ProblemBadRequest, Detail: err.Error() + "."}
	}
	s := newSession(g, auth.Session)
	joined := link.Joined{TLA: c.identity(), Session: auth.Session, Generation: 1,
		Nonce: auth.Nonce, Consent: auth.Consent}
	if auth.Ticket != "" {
		t, p := g.tickets.check(c, pdt, auth)
		s.generation, s.began, joined.Generation = t.Generation, t.Began, t.Generation
		return s, joined, p
	}
	var p *link.Problem
	s.consent, p = g.consents.check(c, pdt, auth)
	return s, joined, p
}

// join reserves the TLA, finds a parked link, and begins the session.
func (g *Gateway) join(ctx context.Context, c *client, w http.ResponseWriter, pdt pki.Identity, s *session,
	joined link.Joined) *link.Problem {
	if p := g.reserve(ctx, c, s); p != nil {
		return p
	}
	far := g.parked.find(ctx, pdt, s, joined)
	if far == nil {
		g.sessions.release(c.peer.Identity, s)
		return g.absent(pdt)
	}
	if p := g.trace.begin(s, c, pdt); p != nil {
		g.sessions.release(c.peer.Identity, s)
		far.link.Part(untracedNotice)
		return p
	}
	near, err := g.upgrade(c, w, nil)
	if err != nil {
		g.sessions.release(c.peer.Identity, s)
		far.link.Part(lostNotice)
		g.trace.neverBegan(s, c, pdt)
		g.log.Warn("cannot join", "session", s.id, "peer", c.identity(), "reason", "network", "error", err)
		return nil
	}
	s.begin(near, far)
	go near.pump()
	g.watcher.recheck(c) // nobody watched it as a link until now
	return nil
}

var (
	lostNotice     = link.Notice{Code: link.CodePeerGone, Text: "The terminal's link was lost."}
	untracedNotice = link.Notice{Code: link.CodePeerGone, Text: "The gateway cannot record the session in its trace."}
)

// absent says why no parked link was found.
func (g *Gateway) absent(pdt pki.Identity) *link.Problem {
	if g.sessions.isDraining() {
		return drainingProblem()
	}
	return &link.Problem{Code: link.ProblemPdTAbsent, Detail: fmt.Sprintf("%s is not connected to this gateway.", pdt),
		Action: "Check that the Poste de Travail is on and its tla-pdt runs.", RetryAfter: retryAbsent}
}
