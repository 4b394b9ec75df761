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
		return g.challenge(c, pdt, w, r)
	}
	if p := checkUpgrade(w, r); p != nil {
		return p
	}
	if p := g.rates.Opens.Take(c.peer.Identity); p != nil {
		return p
	}
	auth, err := link.ParseAuthorization(r.Header.Get("Authorization"))
	if err != nil {
		return &link.Problem{Code: link.ProblemBadRequest, Detail: err.Error() + "."}
	}
	s := newSession(g, auth.Session)
	p = g.admit(c, pdt, auth, s)
	if p == nil && s.generation == 1 {
		p = g.rates.Begins.Take(c.peer.Identity)
	}
	if p == nil {
		p = g.join(r.Context(), c, w, pdt, s, joinedOf(c, auth, s))
	}
	if p != nil {
		g.trace.notBegun(s, c)
	}
	s.consent = nil // it has the whole of what the TLA sent
	return p
}

// challenge answers the first request with a nonce. Its user may have to type a code now: a TLA that has a session, and
// one whose PdT is away, are told first. Nothing is reserved or ended.
func (g *Gateway) challenge(c *client, pdt pki.Identity, w http.ResponseWriter, r *http.Request) *link.Problem {
	prove, p := g.users.Load().wanted(c, pdt, r.Header)
	if p != nil {
		return p
	}
	if g.holdsSession(r.Context(), c) {
		return busyProblem()
	}
	if !g.parked.await(r.Context(), pdt) {
		return g.absent(pdt)
	}
	g.consents.challenge(c, w, prove)
	return nil
}

// admit lets a session begin by its user's consent and proof, or go on over a further link by a ticket.
func (g *Gateway) admit(c *client, pdt pki.Identity, auth link.Authorization, s *session) (p *link.Problem) {
	if auth.Ticket != "" {
		t, p := g.tickets.check(c, pdt, auth)
		if p != nil {
			return p
		}
		s.generation, s.began = t.Generation, t.Began
		s.user, p = g.users.Load().again(c, pdt, t.User)
		return p
	}
	if s.consent, p = g.consents.check(c, pdt, auth); p != nil {
		return p
	}
	s.user, p = g.users.Load().check(c, pdt, auth)
	return p
}

// joinedOf returns what the PdT is told of a session.
func joinedOf(c *client, auth link.Authorization, s *session) link.Joined {
	return link.Joined{TLA: c.identity(), Session: auth.Session, Generation: s.generation, Nonce: auth.Nonce,
		Consent: auth.Consent, Proof: auth.Proof}
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
