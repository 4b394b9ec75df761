package gateway

import (
	"crypto/x509"
	"net/http"
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
	if p := g.parked.reserve(c.peer.Identity, c.instance()); p != nil {
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

// declaration is a PdT's server certificate, verified again as long as its link lives.
type declaration struct {
	chain []*x509.Certificate
	want  trust.Want

	// Set by the first verify, before any other goroutine has the declaration.
	notAfter time.Time           // earliest end in the path
	path     []*x509.Certificate // leaf first, anchor last
}

// verify verifies the certificate with the revocation data at hand; it waits for nobody.
func (d *declaration) verify(t *trust.Trust) error {
	verdict, err := t.VerifyKnown(d.chain, d.want)
	if d.notAfter.IsZero() && err == nil {
		t.Share(verdict, d.chain)
		d.notAfter, d.path = verdict.NotAfter, verdict.Path
	}
	return err
}

// declared reads and verifies the certificate that the PdT will show in card sessions.
func (g *Gateway) declared(c *client, h http.Header) (*declaration, *link.Problem) {
	ders, err := link.ServerCert(h)
	if err != nil {
		return nil, &link.Problem{Code: link.ProblemBadRequest, Detail: err.Error() + ".", Action: "Update the PdT."}
	}
	d := &declaration{want: trust.Want{Usage: x509.ExtKeyUsageServerAuth, Identity: c.peer.Identity}}
	if d.chain, err = pki.ParseChain(ders); err != nil {
		return nil, badServerCert(string(pki.BadCertificate))
	}
	_, err = g.party.Trust.Verify(d.chain, d.want) // may ask a responder, and wait
	if err == nil {
		err = d.verify(g.party.Trust)
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
