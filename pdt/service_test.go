package pdt

import (
	"context"
	"crypto/x509"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/internal/pulse/pulsetest"
	"tlagate/pki"
	"tlagate/pki/pkitest"
	"tlagate/pki/trust"
	"tlagate/session"
	"tlagate/session/link"
)

func (p *poste) parked(t *testing.T, gateway, want int) {
	t.Helper()
	eventually(t, func() bool { return p.status().Gateways[gateway].Parked == want }, "parked links")
}

func TestParksOneMoreThanFreePairs(t *testing.T) {
	l := newLab(t)
	a, b := newFakeGateway(l), newFakeGateway(l)
	p := newPoste(l, []*fakeGateway{a, b})
	p.parked(t, 0, 2)
	p.parked(t, 1, 2)
	require.Equal(t, p.cfg.Server.Certificate().Certificate, *a.chain.Load(), "the server certificate is declared")
	tla := a.start(l.certificate(theTLA, x509.ExtKeyUsageClientAuth), theTLA).up(t)
	p.parked(t, 0, 1)
	require.EqualValues(t, 2, a.count.Load(), "the pair is taken: the spare link is enough")
	tla.Leave(session.ByeStopped, "The user ended the session.")
	p.parked(t, 0, 2)
	require.EqualValues(t, 3, a.count.Load())
	require.EqualValues(t, 2, b.count.Load())
	<-tla.end
}

func TestSessionThroughAGoReader(t *testing.T) {
	l := newLab(t)
	g, reader := newFakeGateway(l), newDirectReader()
	p := newPoste(l, []*fakeGateway{g}, func(c *Config) { c.Readers[session.SlotCPS] = reader })
	tla := g.start(l.certificate(theTLA, x509.ExtKeyUsageClientAuth), theTLA).up(t)
	require.NoError(t, tla.Insert(session.SlotCPS, vitaleATR, session.T1, echoCard{}))
	card := <-reader.cards
	require.Equal(t, session.SlotCPS, card.Slot())
	require.Equal(t, session.T1, card.Protocol())
	require.Equal(t, vitaleATR, card.ATR())
	got, err := card.Transmit(t.Context(), selectMF)
	require.NoError(t, err)
	require.Equal(t, append(append([]byte{}, selectMF...), 0x90, 0), got)
	require.NoError(t, card.Reset(session.ResetCold))
	require.Equal(t, renewedATR, card.ATR())
	_, err = card.Transmit(t.Context(), selectMF)
	require.NoError(t, err)

	st := p.status()
	require.True(t, st.Slots[1].Card)
	require.Equal(t, "3B75130000"+"4109EA9000", st.Slots[1].ATR)
	require.Equal(t, &SessionStatus{ID: tla.id.String(), TLA: theTLA.String(), Gateway: "gw.test:1",
		Since: st.Session.Since, Commands: 2, Resets: 1, TLS: st.Session.TLS}, st.Session)
	require.Eventually(t, func() bool { return p.status().Gateways[0].TLS != nil }, patience, time.Millisecond,
		"no further link is parked")
	for _, tls := range []pki.Negotiated{st.Session.TLS, *p.status().Gateways[0].TLS} {
		require.Equal(t, []any{"TLS 1.3", "X25519MLKEM768", false}, []any{tls.Version, tls.Group, tls.Resumed}) // C2
		require.NotEmpty(t, tls.Suite)
		require.NotEmpty(t, tls.Signature)
	}

	require.NoError(t, tla.Remove(session.SlotCPS))
	<-card.here.Done()
	tla.Leave(session.ByeStopped, "The user ended the session.")
	<-tla.end
	eventually(t, func() bool { return p.status().Session == nil }, "session is not over")
	require.Contains(t, p.log.String(), `msg="session ended"`)
	require.Contains(t, p.log.String(), `reason=stopped`)
	require.Contains(t, p.log.String(), `commands=2 resets=1`)
}

func TestCardsAreGoneWithTheSession(t *testing.T) {
	l := newLab(t)
	g, reader := newFakeGateway(l), &directReader{make(chan *Card, 1)}
	p := newPoste(l, []*fakeGateway{g}, func(c *Config) { c.Readers[session.SlotVitale] = reader })
	cert := l.certificate(theTLA, x509.ExtKeyUsageClientAuth)
	tla := g.start(cert, theTLA).up(t)
	require.NoError(t, tla.Insert(session.SlotVitale, vitaleATR, session.T0, echoCard{}))
	card := <-reader.cards
	got, err := card.Transmit(t.Context(), selectMF)
	require.NoError(t, err)
	require.Equal(t, append(append([]byte{}, selectMF...), 0x90, 0), got)
	tla.Leave(session.ByeStopped, "The user ended the session.")
	<-tla.end
	<-card.here.Done()
	p.parked(t, 0, 2)
	again := g.start(cert, theTLA).up(t)
	require.NoError(t, again.Insert(session.SlotVitale, vitaleATR, session.T0, echoCard{}))
	require.NotSame(t, card, <-reader.cards)
	p.stop()
	require.Equal(t, session.ByeShutdown, again.ended(t).Code)
}

func TestBusy(t *testing.T) {
	l := newLab(t)
	g := newFakeGateway(l)
	p := newPoste(l, []*fakeGateway{g})
	first := g.start(l.certificate(theTLA, x509.ExtKeyUsageClientAuth), theTLA).up(t)
	other := pki.Identity{Practice: "cabinet", Role: pki.RoleTLA, Name: "terminal2"}
	for range 3 {
		second := g.start(l.certificate(other, x509.ExtKeyUsageClientAuth), other)
		require.Equal(t, session.ByeBusy, second.ended(t).Code)
	}
	p.parked(t, 0, 1)
	require.Equal(t, theTLA.String(), p.status().Session.TLA)
	first.Leave(session.ByeStopped, "")
	<-first.end
	p.parked(t, 0, 2)
	g.start(l.certificate(other, x509.ExtKeyUsageClientAuth), other).up(t)
}

func TestC2InnerHandshakeRefuses(t *testing.T) {
	l := newLab(t)
	g := newFakeGateway(l)
	invited := pki.Identity{Practice: "voisin", Role: pki.RoleTLA, Name: "terminal9"}
	p := newPoste(l, []*fakeGateway{g}, func(c *Config) {
		c.Access = Access{Practices: []string{"associes"}, TLAs: []pki.Identity{invited}}
	})
	other := pki.Identity{Practice: "cabinet", Role: pki.RoleTLA, Name: "terminal2"}
	client := x509.ExtKeyUsageClientAuth
	for _, c := range []struct {
		name   string
		is     pki.Identity
		joined string
		usage  x509.ExtKeyUsage
		reason pki.Reason
		late   bool // only known to be a lie once the peer has proved itself
	}{
		{"wrong role", thePdT, thePdT.String(), client, pki.WrongRole, false},
		{"wrong role behind a TLA's name", thePdT, theTLA.String(), client, pki.WrongRole, false},
		{"other practice", foreignTLA, foreignTLA.String(), client, pki.WrongPractice, false},
		{"other practice behind our own", foreignTLA, theTLA.String(), client, pki.WrongPeer, false},
		{"another TLA than joined", other, theTLA.String(), client, pki.WrongPeer, false},
		{"our TLA behind a foreign name", theTLA, foreignTLA.String(), client, pki.WrongPeer, true},
		{"invited practice behind an invited TLA", pki.Identity{Practice: "associes", Role: pki.RoleTLA, Name: "t"},
			invited.String(), client, pki.WrongPeer, false},
		{"wrong usage", theTLA, theTLA.String(), x509.ExtKeyUsageServerAuth, pki.ExtKeyUsage, false},
	} {
		t.Run("C2 "+c.name, func(t *testing.T) {
			id := session.NewID().String()
			cert := l.certificate(c.is, c.usage)
			conn, err := g.openAs(cert, link.Joined{Generation: 1, TLA: c.joined, Session: id})
			require.NoError(t, err)
			require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
			_, err = conn.Read(make([]byte, 1))
			conn.Close()
			party, rejected := l.party(cert), (*trust.Rejected)(nil)
			require.Equal(t, !c.late, errors.As(party.Explain(err), &rejected), "an alert of the handshake: %v", err)
			eventually(t, func() bool { return p.refused(id) == string(c.reason) },
				"reason in the log: "+p.log.String())
			p.parked(t, 0, 2)
			require.Nil(t, p.status().Session)
		})
	}
	for _, id := range []pki.Identity{invited, {Practice: "associes", Role: pki.RoleTLA, Name: "t"}} {
		tla := g.start(l.certificate(id, client), id).up(t)
		tla.Leave(session.ByeStopped, "")
		<-tla.end
		p.parked(t, 0, 2)
	}
}

func TestC2UnreadableJoined(t *testing.T) {
	l := newLab(t)
	g := newFakeGateway(l)
	p := newPoste(l, []*fakeGateway{g})
	conn := g.join(link.Joined{Generation: 1, TLA: "urn:tlagate:x", Session: session.NewID().String()})
	_, err := conn.Read(make([]byte, 1))
	require.Error(t, err)
	eventually(t, func() bool { return p.logged("reason=bad_identity") }, "reason in the log")
}

func TestC2SessionOfARevokedTLAIsCut(t *testing.T) {
	l := newLab(t)
	g := newFakeGateway(l)
	p := newPoste(l, []*fakeGateway{g})
	cert := l.certificate(theTLA, x509.ExtKeyUsageClientAuth)
	tla := g.start(cert, theTLA).up(t)
	l.revoke(cert)
	bye := tla.ended(t)
	require.Equal(t, session.ByeRefused, bye.Code)
	require.Contains(t, bye.Text, string(pki.Revoked))
	p.parked(t, 0, 2)
}

func TestC2SessionEndsWithItsCertificate(t *testing.T) {
	l := newLab(t)
	g := newFakeGateway(l)
	newPoste(l, []*fakeGateway{g})
	tla := g.start(l.certificate(theTLA, x509.ExtKeyUsageClientAuth, pkitest.EndsSoon()), theTLA).up(t)
	bye := tla.ended(t)
	require.Equal(t, session.ByeRefused, bye.Code)
	require.Contains(t, bye.Text, string(pki.Expired))
}

func TestC2LinkOfARevokedGatewayIsCut(t *testing.T) {
	l := newLab(t)
	g := newFakeGateway(l)
	p := newPoste(l, []*fakeGateway{g})
	p.parked(t, 0, 2)
	tla := g.start(l.certificate(theTLA, x509.ExtKeyUsageClientAuth), theTLA).up(t)
	l.revoke(g.cert)
	require.Equal(t, session.ByeRefused, tla.ended(t).Code)
	p.parked(t, 0, 0)
	eventually(t, func() bool { return p.status().Gateways[0].Reason == string(pki.Revoked) }, "reason")
	eventually(t, func() bool { return !p.status().Healthy }, "healthy without a gateway")
	require.Contains(t, p.log.String(), "reason=revoked peer="+theGateway.String())
}

func TestAbsoluteLimit(t *testing.T) {
	l := newLab(t)
	g := newFakeGateway(l)
	newPoste(l, []*fakeGateway{g}, func(c *Config) { c.Limit = 50 * time.Millisecond })
	tla := g.start(l.certificate(theTLA, x509.ExtKeyUsageClientAuth), theTLA)
	require.Equal(t, session.ByeTimeOver, tla.ended(t).Code)
}

func TestProblemsNoticesAndBackoff(t *testing.T) {
	l := newLab(t)
	g := newFakeGateway(l)
	g.refuse.Store(&link.Problem{Code: link.ProblemDraining,
		Detail: "The gateway is stopping.", Action: "Use another."})
	p := newPoste(l, []*fakeGateway{g})
	eventually(t, func() bool { return p.logged("reason=draining") }, "reason in the log")
	require.Contains(t, p.status().Gateways[0].Error, "Use another.")
	require.Zero(t, g.count.Load())
	g.refuse.Store(nil)
	p.parked(t, 0, 2)
	require.Empty(t, p.status().Gateways[0].Error)
	for range 2 {
		require.NoError(t, g.take().WriteNotice(link.Notice{Code: link.CodeRevoked, Text: "x"}))
	}
	p.parked(t, 0, 2)
	eventually(t, func() bool { return g.count.Load() == 4 }, "links are parked again")
	require.Contains(t, p.log.String(), "reason=revoked")
}

func TestC2GatewayIsRefused(t *testing.T) {
	l := newLab(t)
	for _, c := range []struct {
		name   string
		id     pki.Identity
		dns    string
		reason pki.Reason
	}{{"wrong role", thePdT, "gw.test", pki.WrongRole}, {"name mismatch", theGateway, "other.test", pki.NameMismatch}} {
		t.Run("C2 "+c.name, func(t *testing.T) {
			g := newFakeGatewayAs(l, l.certificate(c.id, x509.ExtKeyUsageServerAuth, pkitest.DNS(c.dns)))
			p := newPoste(l, []*fakeGateway{g})
			eventually(t, func() bool { return p.logged("reason=" + string(c.reason)) }, "reason in the log")
			p.stop()
			require.Zero(t, g.count.Load())
		})
	}
}

func TestRefusedByTheGateway(t *testing.T) {
	l := newLab(t)
	g := newFakeGateway(l)
	p := newPoste(l, []*fakeGateway{g}, func(c *Config) {
		c.Client = l.party(l.certificate(thePdT, x509.ExtKeyUsageClientAuth, pkitest.Expired()))
	})
	eventually(t, func() bool { return p.logged("reason=rejected") }, "reason in the log")
	require.Contains(t, p.status().Problems[0], "client certificate ended")
}

func TestConfigIsChecked(t *testing.T) {
	l := newLab(t)
	good := Config{Gateways: []string{"gw.test:443"},
		Client: l.party(l.certificate(thePdT, x509.ExtKeyUsageClientAuth)),
		Server: l.party(l.certificate(thePdT, x509.ExtKeyUsageServerAuth))}
	_, err := New(good)
	require.NoError(t, err)
	for want, spoil := range map[string]setting{
		"without a gateway": func(c *Config) { c.Gateways = nil },
		"want HOST:PORT":    func(c *Config) { c.Gateways = []string{"gw.test"} },
		"it is of a tla":    func(c *Config) { c.Client = l.party(l.certificate(theTLA, x509.ExtKeyUsageClientAuth)) },
		"two identities": func(c *Config) {
			c.Server = l.party(l.certificate(pki.Identity{Practice: "cabinet", Role: pki.RolePdT, Name: "p2"},
				x509.ExtKeyUsageServerAuth))
		},
	} {
		bad := good
		spoil(&bad)
		_, err := New(bad)
		require.ErrorContains(t, err, want)
	}
}

func TestStatusSocket(t *testing.T) {
	l := newLab(t)
	g := newFakeGateway(l)
	path := filepath.Join(t.TempDir(), "s")
	p := newPoste(l, []*fakeGateway{g}, func(c *Config) { c.Status = path })
	p.parked(t, 0, 2)
	st, raw, err := AskStatus(path)
	require.NoError(t, err)
	require.Contains(t, string(raw), `"identity":"`+thePdT.String())
	require.True(t, st.Healthy, st.Problems)
	require.Nil(t, st.Session)
	require.Equal(t, "parked", st.Gateways[0].State)
	require.Equal(t, theGateway.String(), st.Gateways[0].Identity)

	second, err := New(p.cfg)
	require.NoError(t, err)
	require.ErrorContains(t, second.Run(context.Background()), "another tla-pdt runs")
	p.stop()
	_, _, err = AskStatus(path)
	require.ErrorContains(t, err, "is it running?")
}

// TestAliveHangsAsTheServiceDoes: on its session, and on what keeps links parked.
func TestAliveHangsAsTheServiceDoes(t *testing.T) {
	l := newLab(t)
	p := newPoste(l, []*fakeGateway{newFakeGateway(l), newFakeGateway(l)})
	p.Alive()
	pulsetest.Hangs(t, p.Alive, p.mu.Lock, p.mu.Unlock)
	g := p.gateways[1]
	pulsetest.Hangs(t, g.parks.Wait, func() { g.mu.Lock(); nudge(g.wake) }, g.mu.Unlock)
	p.stop()
	p.Alive() // a service that has stopped hangs in nothing
}
