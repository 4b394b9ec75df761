package gateway

import (
	"crypto"
	"crypto/tls"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/pkitest"
	"tlagate/pki/trust"
	"tlagate/session/link"
	"tlagate/session/ticket"
)

// TestFurtherLinkOfASession: with the ticket that came on a link the TLA opens the next, which replaces it.
func TestFurtherLinkOfASession(t *testing.T) {
	r := start(t)
	tla, p := r.ca.Issue(tla1, clients), r.pdt(pdt1)
	near, far := r.joined(tla, p)
	id := r.logged("joined", "generation", 1.0)["session"].(string)
	first := ticketOn(t, near, far)

	waiting := r.park(p)
	again, err := link.Reopen(t.Context(), r.dial(tla), pdt1, id, first, unhurried)
	require.NoError(t, err)
	defer again.Close()
	j, err := waiting.WaitJoined()
	require.NoError(t, err)
	require.Equal(t, link.Joined{TLA: tla1, Session: id, Generation: 2}, *j, "no consent: that was given once")
	requireNotice(t, link.CodePeerGone, near)
	requireNotice(t, link.CodePeerGone, far)
	r.logged("session ended", "session", id, "reason", "resumed")

	second := ticketOn(t, again, waiting)
	require.Equal(t, uint32(3), r.read(second, id).Generation)
	require.Equal(t, r.read(first, id).Began, r.read(second, id).Began, "the absolute limit goes on")
	_, err = link.Reopen(t.Context(), r.dial(tla), pdt1, id, first, unhurried)
	requireProblem(t, link.ProblemTLABusy, err)
}

// ticketOn returns the ticket that came before the first data.
func ticketOn(t testing.TB, near, far *link.Conn) string {
	_, err := far.Write([]byte{1})
	require.NoError(t, err)
	_, err = near.Read(make([]byte, 1))
	require.NoError(t, err)
	require.NotEmpty(t, near.Ticket())
	return near.Ticket()
}

func (r *rig) read(text, session string) ticket.Statement {
	s, err := r.g.tickets.verify(text, ticket.Want{TLA: tla1, PdT: pdt1, Session: session, Now: time.Now()})
	require.NoError(r.t, err)
	return s
}

func TestTicketIsRenewed(t *testing.T) {
	r := start(t, limited(Limits{Recheck: 5 * time.Millisecond, Ticket: 10 * time.Second}))
	near, far := r.joined(r.ca.Issue(tla1, clients), r.pdt(pdt1))
	id := r.logged("joined")["session"].(string)
	first := r.read(ticketOn(t, near, far), id)
	r.eventually("a ticket that ends later", func() bool {
		now := r.read(ticketOn(t, near, far), id)
		return now.Expires.After(first.Expires) && now.Generation == first.Generation
	})
}

// TestC4NoFurtherLinkWithoutATicket tries each way, from the network side, to open a further link without a ticket that
// a gateway of ours issued for it.
func TestC4NoFurtherLinkWithoutATicket(t *testing.T) {
	r := start(t, limited(Limits{JoinWait: time.Millisecond}))
	r.park(r.pdt(pdt1))
	tla := r.ca.Issue(tla1, clients)
	own := r.ca.Issue("urn:tlagate:op:gateway:g2", servers, pkitest.DNS("g2.invalid"))
	const id = "00112233445566778899aabbccddeeff"
	good := ticket.Statement{TLA: tla1, PdT: pdt1, Session: id, Generation: 2, Began: time.Now(),
		Expires: time.Now().Add(time.Minute)}
	try := func(t *testing.T, by tls.Certificate, s ticket.Statement) error {
		text, err := ticket.Sign(s, by.Certificate, by.PrivateKey.(crypto.Signer))
		require.NoError(t, err)
		l, err := link.Reopen(t.Context(), r.dial(tla), pdt1, id, text, unhurried)
		if err == nil {
			l.Close()
		}
		return err
	}
	revoked := r.ca.Issue("urn:tlagate:op:gateway:g3", servers, pkitest.DNS("g3.invalid"))
	r.revoke(revoked.Leaf)
	chain, err := pki.ParseChain(revoked.Certificate)
	require.NoError(t, err)
	r.eventually("revoked", func() bool {
		_, err := r.trust.VerifyKnown(chain, trust.Want{Usage: servers})
		return err != nil
	})
	for name, c := range map[string]struct {
		by     tls.Certificate
		change func(*ticket.Statement)
		says   string
	}{
		"of another TLA":     {own, func(s *ticket.Statement) { s.TLA = tla2 }, "something else"},
		"for another PdT":    {own, func(s *ticket.Statement) { s.PdT = pdt2 }, "something else"},
		"of another session": {own, func(s *ticket.Statement) { s.Session = newID() }, "something else"},
		"that has ended": {own, func(s *ticket.Statement) { s.Expires = time.Now().Add(-time.Second) },
			"has ended"},
		"for the first link": {own, func(s *ticket.Statement) { s.Generation = 1 }, "cannot read"},
		"by the TLA itself":  {tla, nil, "ext_key_usage"},
		"by a PdT":           {r.pdt(pdt1).server, nil, "wrong_role"},
		"by another's gateway": {r.ca.Issue("urn:tlagate:cab1:gateway:g9", servers, pkitest.DNS("g9.invalid")),
			nil, "wrong_practice"},
		"by a revoked gateway": {revoked, nil, "revoked"},
		"with another one's key": {tls.Certificate{Certificate: own.Certificate, PrivateKey: tla.PrivateKey}, nil,
			"not signed by the gateway"},
	} {
		t.Run("C4 "+name, func(t *testing.T) {
			s := good
			if c.change != nil {
				c.change(&s)
			}
			p := requireProblem(t, link.ProblemBadTicket, try(t, c.by, s))
			require.Contains(t, p.Detail, c.says)
		})
	}
	require.NoError(t, try(t, own, good), "the control: another gateway of the same operator")
}

func TestSA4AbsoluteLimitGoesOnOverLinks(t *testing.T) {
	r := start(t)
	r.park(r.pdt(pdt1))
	tla, own := r.ca.Issue(tla1, clients), r.ca.Issue("urn:tlagate:op:gateway:g2", servers, pkitest.DNS("g2.invalid"))
	id := newID()
	text, err := ticket.Sign(ticket.Statement{TLA: tla1, PdT: pdt1, Session: id, Generation: 2,
		Began: time.Now().Add(-13 * time.Hour), Expires: time.Now().Add(time.Minute)},
		own.Certificate, own.PrivateKey.(crypto.Signer))
	require.NoError(t, err)
	l, err := link.Reopen(t.Context(), r.dial(tla), pdt1, id, text, unhurried)
	require.NoError(t, err)
	requireNotice(t, link.CodeTimeOver, l)
}
