package gateway

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"net/http"
	"time"

	"tlagate/pki"
	"tlagate/session/link"
)

// open joins a TLA with a PdT: first the nonce, then the join.
func (g *Gateway) open(c *client, w http.ResponseWriter, r *http.Request) *link.Problem {
	pdt, p := g.mayOpen(c.peer.Identity, r.URL.Query().Get("pdt"))
	if p != nil {
		return p
	}
	if p := g.checkBundle(c, w, r); p != nil {
		return p
	}
	if g.isDraining() {
		return drainingProblem()
	}
	if r.Header.Get("Authorization") == "" {
		return g.challenge(c, w)
	}
	if p := checkUpgrade(w, r); p != nil {
		return p
	}
	s, joined, p := g.admit(c, pdt, r.Header.Get("Authorization"))
	if p != nil {
		return p
	}
	return g.join(r.Context(), c, w, pdt, s, joined)
}

// admit begins a session with its user's consent, or lets one have a further link by a ticket.
func (g *Gateway) admit(c *client, pdt pki.Identity, header string) (*session, link.Joined, *link.Problem) {
	auth, err := link.ParseAuthorization(header)
	if err != nil {
		return nil, link.Joined{}, &link.Problem{Code: link.ProblemBadRequest, Detail: err.Error() + "."}
	}
	s := newSession(g, auth.Session)
	joined := link.Joined{TLA: c.identity(), Session: auth.Session, Generation: 1, Nonce: auth.Nonce, Consent: auth.Consent}
	if auth.Ticket != "" {
		t, p := g.checkTicket(c, pdt, auth)
		s.generation, s.began, joined.Generation = t.Generation, t.Began, t.Generation
		return s, joined, p
	}
	p := g.checkNonce(c, auth)
	if p == nil {
		p = g.checkConsent(c, pdt, auth)
	}
	return s, joined, p
}

func (g *Gateway) isDraining() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.draining
}

// mayOpen applies role, then practice and access table.
func (g *Gateway) mayOpen(tla pki.Identity, name string) (pki.Identity, *link.Problem) {
	if !mayAsk(tla.Role, "open") {
		return pki.Identity{}, wrongRole("Only a TLA can open a session.")
	}
	pdt, err := resolve(name, tla)
	if err != nil {
		return pki.Identity{}, &link.Problem{Code: link.ProblemBadRequest,
			Detail: "The parameter pdt names no Poste de Travail.", Action: "Set the PdT's name in the terminal's configuration."}
	}
	if !g.access.Load().allows(tla, pdt) {
		return pki.Identity{}, &link.Problem{Code: link.ProblemWrongPractice,
			Detail: fmt.Sprintf("%s may not open %s.", tla, pdt), Action: "Ask the operator for a line in the access table."}
	}
	return pdt, nil
}

const nonceSize = 32 // octets

// challenge issues a nonce for this connection.
func (g *Gateway) challenge(c *client, w http.ResponseWriter) *link.Problem {
	raw := make([]byte, nonceSize)
	_, _ = rand.Read(raw) // never fails (crypto/rand)
	c.nonce, c.nonceAt = base64.RawURLEncoding.EncodeToString(raw), time.Now()
	w.Header().Set("WWW-Authenticate", link.Challenge(c.nonce))
	p := &link.Problem{Code: link.ProblemConsentRequired, Detail: "Repeat the request over this nonce, on this connection."}
	p.WriteTo(w)
	return nil
}

// checkNonce consumes the nonce of this connection.
func (g *Gateway) checkNonce(c *client, auth link.Authorization) *link.Problem {
	issued, fresh := c.nonce, time.Since(c.nonceAt) < g.limits.Nonce
	c.nonce = ""
	if issued == "" || !fresh || subtle.ConstantTimeCompare([]byte(auth.Nonce), []byte(issued)) != 1 {
		return &link.Problem{Code: link.ProblemBadAuthorization,
			Detail: "The nonce is not one this gateway issued on this connection, or it is too old.", Action: "Start again."}
	}
	return nil
}

// join reserves the TLA, finds a parked link, and makes the session.
func (g *Gateway) join(ctx context.Context, c *client, w http.ResponseWriter, pdt pki.Identity, s *session, joined link.Joined) *link.Problem {
	before, p := g.reserve(c.peer.Identity, s)
	if p != nil {
		return p
	}
	if before != nil {
		before.end(goesOnNotice, reasonResumed, "gateway")
	}
	far := g.findParked(ctx, pdt, s, joined)
	if far == nil {
		g.release(c.peer.Identity, s)
		return g.absent(w, pdt)
	}
	near, err := g.upgrade(c, w, nil)
	if err != nil {
		g.release(c.peer.Identity, s)
		far.link.Part(link.Notice{Code: link.CodePeerGone, Text: "The terminal's link was lost."})
		g.log.Warn("cannot join", "session", s.id, "peer", c.identity(), "reason", "network", "error", err)
		return nil
	}
	s.begin(near, far)
	go near.pump()
	g.recheckClient(c) // it was not watched as a link until now
	return nil
}

// absent says why no parked link was found.
func (g *Gateway) absent(w http.ResponseWriter, pdt pki.Identity) *link.Problem {
	if g.isDraining() {
		return drainingProblem()
	}
	w.Header().Set("Retry-After", "5")
	return &link.Problem{Code: link.ProblemPdTAbsent, Detail: fmt.Sprintf("%s is not connected to this gateway.", pdt),
		Action: "Check that the Poste de Travail is on and its tla-pdt runs."}
}

// reserve: one session a TLA; when it gives no problem, g.links has one more. A further link takes the place of the one before, which is to be ended.
func (g *Gateway) reserve(tla pki.Identity, s *session) (before *session, p *link.Problem) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.draining {
		return nil, drainingProblem()
	}
	before = g.sessions[tla]
	if before != nil && !before.giveWayTo(s) {
		return nil, &link.Problem{Code: link.ProblemTLABusy, Detail: "This terminal already has a session.", Action: "Stop that one first."}
	}
	g.sessions[tla] = s
	g.links.Add(1)
	return before, nil
}

// giveWayTo tells whether s is a further link of the same session; g.mu is held.
func (s *session) giveWayTo(further *session) bool {
	return s.tla != nil && further.id == s.id && further.generation > s.generation
}

// release undoes reserve, for a session that has not begun.
func (g *Gateway) release(tla pki.Identity, s *session) {
	g.over(tla, s)
	g.links.Done()
}

// over lets the TLA open again.
func (g *Gateway) over(tla pki.Identity, s *session) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.sessions[tla] == s {
		delete(g.sessions, tla)
	}
	close(s.done)
}

// findParked gives a parked link that took the joined record; nil when none came in time.
func (g *Gateway) findParked(ctx context.Context, pdt pki.Identity, s *session, joined link.Joined) *end {
	ctx, cancel := context.WithTimeout(ctx, g.limits.JoinWait)
	defer cancel()
	for {
		e, more := g.takeParked(pdt)
		if e != nil {
			e.offered.Store(s)
			if e.link.WriteJoined(joined) == nil {
				return e
			}
			continue
		}
		select {
		case <-more:
		case <-g.stopping:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}
