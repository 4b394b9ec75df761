package gateway

import (
	"crypto/x509"
	"net/http"
	"slices"
	"time"

	"tlagate/pki"
	"tlagate/pki/trust"
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
	if p := g.checkBundle(c, w, r); p != nil {
		return p
	}
	declared, p := g.checkServerCert(c, r.Header)
	if p != nil {
		return p
	}
	if p := g.mayPark(c.peer.Identity); p != nil {
		w.Header().Set("Retry-After", "5")
		return p
	}
	e, err := g.upgrade(c, w, declared)
	if err != nil {
		g.notParked(c.peer.Identity)
		g.log.Warn("cannot park", "remote", c.remote, "peer", c.identity(), "reason", "network", "error", err)
		return nil
	}
	g.log.Info("parked", "remote", c.remote, "peer", c.identity())
	go e.pump()
	g.addParked(e)
	g.mind(c)
	return nil
}

// checkServerCert verifies the certificate that the PdT will show in card sessions.
func (g *Gateway) checkServerCert(c *client, h http.Header) (*declaration, *link.Problem) {
	ders, err := link.ServerCert(h)
	if err != nil {
		return nil, &link.Problem{Code: link.ProblemBadRequest, Detail: err.Error() + ".", Action: "Update the PdT."}
	}
	d := &declaration{want: trust.Want{Usage: x509.ExtKeyUsageServerAuth, Identity: c.peer.Identity}}
	if d.chain, err = pki.ParseChain(ders); err != nil {
		return nil, badServerCert(string(pki.BadCertificate))
	}
	_, err = g.party.Trust.Verify(d.chain, d.want) // it may ask a responder, and wait
	if err == nil {
		err = d.check(g.party.Trust)
	}
	if err != nil {
		g.log.Warn("declared server certificate refused", "remote", c.remote, "peer", c.identity(),
			"reason", string(pki.ReasonOf(err)), "error", err)
		return nil, badServerCert(string(pki.ReasonOf(err)))
	}
	return d, nil
}

func badServerCert(why string) *link.Problem {
	return &link.Problem{Code: link.ProblemBadServerCertificate,
		Detail: "The PdT's server certificate does not pass: " + why + ".", Action: "Have it renewed."}
}

func wrongRole(detail string) *link.Problem {
	return &link.Problem{Code: link.ProblemWrongRole, Detail: detail, Action: "Use a certificate of the right role."}
}

// declaration is a PdT's server certificate, checked again as long as its link lives.
type declaration struct {
	chain []*x509.Certificate
	want  trust.Want

	// Set by the first check, which is before anybody else looks.
	notAfter time.Time           // earliest end in the path
	path     []*x509.Certificate // leaf first, anchor last
}

func (d *declaration) check(t *trust.Trust) error {
	verdict, err := t.VerifyKnown(d.chain, d.want)
	if d.notAfter.IsZero() {
		d.notAfter, d.path = verdict.NotAfter, verdict.Path
	}
	return err
}

// mayPark applies the limits; when it gives no problem, g.links has one more.
func (g *Gateway) mayPark(pdt pki.Identity) *link.Problem {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.draining {
		return drainingProblem()
	}
	if len(g.parked[pdt])+g.coming[pdt] >= g.limits.ParkedPerPdT {
		return &link.Problem{Code: link.ProblemTooMany, Detail: "This PdT has parked as many links as it may.",
			Action: "Look for a second tla-pdt with the same certificate."}
	}
	g.coming[pdt]++
	g.links.Add(1)
	return nil
}

// notParked undoes mayPark.
func (g *Gateway) notParked(pdt pki.Identity) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.arrived(pdt)
	g.links.Done()
}

// arrived is called with g.mu held.
func (g *Gateway) arrived(pdt pki.Identity) {
	if g.coming[pdt]--; g.coming[pdt] == 0 {
		delete(g.coming, pdt)
	}
}

func drainingProblem() *link.Problem {
	return &link.Problem{Code: link.ProblemDraining, Detail: "The gateway is stopping.", Action: "Use another gateway."}
}

// addParked makes a link available; one that came while draining is sent away.
func (g *Gateway) addParked(e *end) {
	g.mu.Lock()
	defer g.mu.Unlock()
	id := e.client.peer.Identity
	g.arrived(id)
	if g.draining {
		e.link.Part(drainNotice)
		return
	}
	if e.gone {
		return
	}
	g.parked[id] = append(g.parked[id], e)
	close(g.arrival)
	g.arrival = make(chan struct{})
}

// takeParked gives the parked link of the PdT that was heard from most recently, and a channel that tells of new ones.
func (g *Gateway) takeParked(pdt pki.Identity) (*end, <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	waiting := g.parked[pdt]
	if len(waiting) == 0 {
		return nil, g.arrival
	}
	e := slices.MaxFunc(waiting, func(a, b *end) int { return a.link.Heard().Compare(b.link.Heard()) })
	g.setParked(pdt, without(waiting, e))
	return e, nil
}

func without(ends []*end, e *end) []*end {
	return slices.DeleteFunc(ends, func(other *end) bool { return other == e })
}

// unpark forgets a link that ended.
func (g *Gateway) unpark(e *end) {
	g.mu.Lock()
	defer g.mu.Unlock()
	e.gone = true
	id := e.client.peer.Identity
	g.setParked(id, without(g.parked[id], e))
}

// setParked is called with g.mu held.
func (g *Gateway) setParked(pdt pki.Identity, ends []*end) {
	if len(ends) == 0 {
		delete(g.parked, pdt)
		return
	}
	g.parked[pdt] = ends
}

// allParked is called with g.mu held.
func (g *Gateway) allParked() []*end {
	var all []*end
	for _, ends := range g.parked {
		all = append(all, ends...)
	}
	return all
}
