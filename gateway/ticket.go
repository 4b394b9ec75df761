package gateway

import (
	"crypto"
	"crypto/x509"
	"errors"
	"time"

	"tlagate/pki"
	"tlagate/pki/trust"
	"tlagate/session/link"
	"tlagate/session/ticket"
)

// A session outlives its link: with the ticket of the gateway that has verified the consent, a TLA opens a further link of it, here or at
// another gateway of ours (docs/protocol.md, section 4.1).

// checkTicket sees to it that a gateway of ours has given this ticket to this TLA, for this session with this PdT, not long ago (C4).
func (g *Gateway) checkTicket(c *client, pdt pki.Identity, auth link.Authorization) (ticket.Statement, *link.Problem) {
	s, err := g.verifyTicket(auth.Ticket, ticket.Want{TLA: c.identity(), PdT: pdt.String(), Session: auth.Session, Now: time.Now()})
	if err != nil {
		g.log.Warn("ticket refused", "session", auth.Session, "peer", c.identity(), "reason", string(pki.ReasonOf(err)), "error", err)
		return s, &link.Problem{Code: link.ProblemBadTicket, Detail: "The ticket of this session does not pass: " + err.Error() + ".", Action: "Start a new session at the terminal."}
	}
	return s, nil
}

// verifyTicket verifies who signed it like a gateway that we dial, then the signature.
func (g *Gateway) verifyTicket(text string, want ticket.Want) (ticket.Statement, error) {
	ders, err := ticket.Chain(text)
	if err != nil {
		return ticket.Statement{}, err
	}
	chain, err := pki.ParseChain(ders)
	if err != nil {
		return ticket.Statement{}, err
	}
	us, err := pki.IdentityOf(g.party.Certificate().Leaf)
	if err != nil {
		return ticket.Statement{}, err
	}
	if _, err := g.party.Trust.Verify(chain, trust.Want{Usage: x509.ExtKeyUsageServerAuth,
		Roles: []pki.Role{pki.RoleGateway}, Practice: us.Practice}); err != nil {
		return ticket.Statement{}, err
	}
	return ticket.Verify(text, chain[0].PublicKey, want)
}

// giveTicket sends the TLA what it needs for the next link of the session. Whether the link is over, its pump finds out.
func (s *session) giveTicket(tla, pdt *end) {
	text, err := s.g.signTicket(ticket.Statement{TLA: tla.client.identity(), PdT: pdt.client.identity(), Session: s.id,
		Generation: s.generation + 1, Began: s.began, Expires: time.Now().Add(s.g.limits.Ticket)})
	if err == nil {
		s.ticketAt.Store(time.Now().UnixNano())
		err = tla.link.WriteTicket(text)
	}
	if err != nil {
		s.g.log.Warn("no ticket given: this session ends with its link", "session", s.id, "error", err)
	}
}

func (g *Gateway) signTicket(t ticket.Statement) (string, error) {
	own := g.party.Certificate()
	key, ok := own.PrivateKey.(crypto.Signer)
	if !ok {
		return "", errors.New("cannot sign a ticket: the key of our certificate cannot sign")
	}
	return ticket.Sign(t, own.Certificate, key)
}

// giveTicketAgain gives a TLA in a session a fresh ticket when the last one has lived a fifth of its life.
func (e *end) giveTicketAgain() {
	s := e.session.Load()
	if s == nil || e != s.tla || time.Since(time.Unix(0, s.ticketAt.Load())) < e.g.limits.Ticket/5 {
		return
	}
	s.ticketAt.Store(time.Now().UnixNano()) // one at a time, also to a peer that does not read
	go s.giveTicket(s.tla, s.pdt)
}
