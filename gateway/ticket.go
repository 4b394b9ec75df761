package gateway

import (
	"crypto"
	"crypto/x509"
	"errors"
	"log/slog"
	"time"

	"tlagate/pki"
	"tlagate/pki/trust"
	"tlagate/session/link"
	"tlagate/session/ticket"
)

// tickets let a session outlive its link: with the ticket of the gateway that verified the consent, a TLA opens a
// further link of the session, here or at another gateway of ours (docs/protocol.md, section 4.1).
type tickets struct {
	party *trust.Party
	life  time.Duration
	log   *slog.Logger
}

// check verifies that a gateway of ours issued the ticket to this TLA, for this session with this PdT, not long ago
// (C4).
func (ts *tickets) check(c *client, pdt pki.Identity, auth link.Authorization) (ticket.Statement, *link.Problem) {
	s, err := ts.verify(auth.Ticket, ticket.Want{TLA: c.identity(), PdT: pdt.String(),
		Session: auth.Session, Now: time.Now()})
	if err != nil {
		ts.log.Warn("ticket refused", "session", auth.Session, "peer", c.identity(),
			"reason", string(pki.ReasonOf(err)), "error", err)
		return s, &link.Problem{Code: link.ProblemBadTicket,
			Detail: "The ticket of this session does not pass: " + err.Error() + ".",
			Action: "Start a new session at the terminal."}
	}
	return s, nil
}

// verify verifies the signer as if it were a gateway that we dial, then the signature.
func (ts *tickets) verify(text string, want ticket.Want) (ticket.Statement, error) {
	ders, err := ticket.Chain(text)
	if err != nil {
		return ticket.Statement{}, err
	}
	chain, err := pki.ParseChain(ders)
	if err != nil {
		return ticket.Statement{}, err
	}
	us, err := pki.IdentityOf(ts.party.Certificate().Leaf)
	if err != nil {
		return ticket.Statement{}, err
	}
	ours := trust.Want{Usage: x509.ExtKeyUsageServerAuth, Roles: []pki.Role{pki.RoleGateway}, Practice: us.Practice}
	if _, err := ts.party.Trust.Verify(chain, ours); err != nil {
		return ticket.Statement{}, err
	}
	return ticket.Verify(text, chain[0].PublicKey, want)
}

// send sends the TLA the ticket for the next link of the session. If the link is over, its pump finds out.
func (ts *tickets) send(s *session, tla, pdt *end) {
	text, err := ts.sign(ticket.Statement{TLA: tla.client.identity(), PdT: pdt.client.identity(), Session: s.id,
		Generation: s.generation + 1, Began: s.began, Expires: time.Now().Add(ts.life), User: s.user.der})
	if err == nil {
		s.ticketMade()
		err = tla.link.WriteTicket(text)
	}
	if err != nil {
		ts.log.Warn("no ticket given: this session ends with its link", "session", s.id, "error", err)
	}
}

func (ts *tickets) sign(t ticket.Statement) (string, error) {
	own := ts.party.Certificate()
	key, ok := own.PrivateKey.(crypto.Signer)
	if !ok {
		return "", errors.New("cannot sign a ticket: the key of our certificate cannot sign")
	}
	return ticket.Sign(t, own.Certificate, key)
}

// renew sends a TLA in a session a fresh ticket when the last one has lived a fifth of its life.
func (ts *tickets) renew(e *end) {
	s := e.session.Load()
	if s == nil || e != s.tla {
		return
	}
	if last := s.ticketAt.Load(); last != nil && time.Since(*last) < ts.life/5 {
		return
	}
	s.ticketMade() // one at a time, also to a peer that does not read
	go ts.send(s, s.tla, s.pdt)
}

// ticketMade remembers when, by a clock that nobody sets: else none would be made for as long as ours was set back.
func (s *session) ticketMade() {
	now := time.Now()
	s.ticketAt.Store(&now)
}
