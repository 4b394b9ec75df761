package pdt

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/session"
	"tlagate/session/link"
)

// lastingTLA is a TLA whose links the test breaks.
type lastingTLA struct {
	*session.Terminal
	t    *testing.T
	g    *fakeGateway
	cert tls.Certificate
	id   session.ID
	conn interface{ Close() error }
	end  chan error
}

func (g *fakeGateway) startLasting(t *testing.T, cert tls.Certificate) *lastingTLA {
	r := &lastingTLA{t: t, g: g, cert: cert, id: session.NewID()}
	conn, err := g.openAs(cert, link.Joined{Generation: 1, TLA: theTLA.String(), Session: r.id.String()})
	require.NoError(t, err)
	r.conn = conn
	r.Terminal, err = session.OpenTerminal(conn, session.TerminalConfig{ID: r.id,
		Timers: session.Timers{Heartbeat: patience}})
	require.NoError(t, err)
	t.Cleanup(r.Terminal.Close)
	r.serve()
	<-r.Up()
	return r
}

func (r *lastingTLA) serve() {
	end := make(chan error, 1)
	r.end = end
	go func() { end <- r.Terminal.Serve(context.Background()) }()
}

func (r *lastingTLA) lose() {
	r.conn.Close()
	require.True(r.t, session.Resumable(<-r.end))
}

func (r *lastingTLA) resume(generation uint32) error {
	conn, err := r.g.openAs(r.cert, link.Joined{Generation: generation, TLA: theTLA.String(),
		Session: r.id.String(), Consent: "none"})
	require.NoError(r.t, err)
	r.conn = conn
	if err := r.Terminal.Resume(context.Background(), conn, generation); err != nil {
		return err
	}
	r.serve()
	return nil
}

func resumeLab(t *testing.T, settings ...setting) (*lab, *fakeGateway, *poste, *directReader, *lastingTLA) {
	l := newLab(t)
	g, reader := newFakeGateway(l), newDirectReader()
	p := newPoste(l, []*fakeGateway{g}, append(settings, func(c *Config) { c.Readers[session.SlotCPS] = reader })...)
	return l, g, p, reader, g.startLasting(t, l.certificate(theTLA, x509.ExtKeyUsageClientAuth))
}

func TestResumeKeepsTheCardShown(t *testing.T) {
	_, _, p, reader, tla := resumeLab(t)
	require.NoError(t, tla.Insert(session.SlotCPS, vitaleATR, session.T1, echoCard{}))
	card := <-reader.cards
	require.True(t, tla.TellsShown())
	eventually(t, func() bool { return tla.Shown(session.SlotCPS) }, "the terminal is not told")
	for generation := range uint32(3) {
		tla.lose()
		eventually(t, func() bool { return !p.status().Session.Lost.IsZero() }, "the link is not lost")
		result := make(chan error, 1)
		go func() {
			_, err := card.Transmit(context.Background(), selectMF)
			result <- err
		}()
		require.NoError(t, tla.resume(generation+2))
		require.NoError(t, <-result, "the program waited")
	}
	st := p.status().Session
	require.True(t, st.Lost.IsZero())
	require.Equal(t, 3, st.Resumed)
	require.NoError(t, card.here.Err())
	require.Empty(t, reader.cards)
}

func TestResumeNotInTime(t *testing.T) {
	_, _, p, reader, tla := resumeLab(t, func(c *Config) { c.Grace = 50 * time.Millisecond })
	require.NoError(t, tla.Insert(session.SlotCPS, vitaleATR, session.T1, echoCard{}))
	card := <-reader.cards
	tla.lose()
	<-card.here.Done()
	_, err := card.Transmit(t.Context(), selectMF)
	require.ErrorIs(t, err, errGrace)
	eventually(t, func() bool { return p.status().Session == nil }, "session is not over")
	require.True(t, p.logged("reason=not_back"))
	var bye *session.Bye
	require.ErrorAs(t, tla.resume(2), &bye)
	require.Equal(t, session.ByeGone, bye.Code)
}

// TestC4ResumeGenerationOnce: a generation that was used before is refused, and so is a joined record with another
// number than the TLA's; the session stays.
func TestC4ResumeGenerationOnce(t *testing.T) {
	_, _, p, _, tla := resumeLab(t)
	tla.lose()
	require.NoError(t, tla.resume(5))
	tla.lose()
	for _, generation := range []uint32{5, 4, 2} {
		var bye *session.Bye
		require.ErrorAs(t, tla.resume(generation), &bye, generation)
		require.Equal(t, session.ByeGone, bye.Code)
	}
	require.NoError(t, tla.resume(6))
	require.Equal(t, 2, p.status().Session.Resumed)
}

// TestResumeAfterANewStart: a terminal that restarted, and lost its session, does not wait for the grace time; another
// terminal does.
func TestResumeAfterANewStart(t *testing.T) {
	l, g, p, _, tla := resumeLab(t, func(c *Config) { c.Grace = time.Minute })
	tla.lose()
	eventually(t, func() bool { return !p.status().Session.Lost.IsZero() }, "the link is not lost")
	other := pki.Identity{Practice: "cabinet", Role: pki.RoleTLA, Name: "terminal2"}
	require.Equal(t, session.ByeBusy, g.start(l.certificate(other, x509.ExtKeyUsageClientAuth), other).ended(t).Code)
	again := g.start(l.certificate(theTLA, x509.ExtKeyUsageClientAuth), theTLA).up(t)
	require.True(t, p.logged("reason=replaced"))
	require.Equal(t, again.id.String(), p.status().Session.ID)
}

// TestSA4LimitAndLossAtOnce: the longest time is over at the moment at which the link breaks, at each step of both.
func TestSA4LimitAndLossAtOnce(t *testing.T) {
	for name, meet := range map[string]func(c *cardSession, tla *lastingTLA) error{
		"while the loss is judged": func(c *cardSession, tla *lastingTLA) error {
			require.False(t, c.setLeaving(errTimeOver))
			tla.lose()
			eventually(t, func() bool { return c.s.session() == nil }, "the session is not over")
			return tla.resume(2)
		},
		"and the terminal is back": func(c *cardSession, tla *lastingTLA) error {
			tla.lose()
			eventually(t, c.isLost, "the link is not lost")
			require.True(t, c.setLeaving(errTimeOver)) // and then it is slow
			return tla.resume(2)
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, p, _, tla := resumeLab(t, func(c *Config) { c.Grace = time.Minute })
			require.Error(t, meet(p.session(), tla))
			eventually(t, func() bool { return p.status().Session == nil }, "the session outlives its limit")
		})
	}
}

// TestEL3NoCardAfterTheEnd: an insertion that was under way shows no card after the session.
func TestEL3NoCardAfterTheEnd(t *testing.T) {
	_, _, p, _, tla := resumeLab(t, func(c *Config) { c.Grace = time.Millisecond })
	c := p.session()
	tla.lose()
	eventually(t, func() bool { return p.status().Session == nil }, "the session is not over")
	c.inserted(session.SlotCPS, session.Inserted{Epoch: 1, ATR: vitaleATR})
	require.Nil(t, p.slots[session.SlotCPS].present())
}

func TestResumeOfASessionThatWasNeverHere(t *testing.T) {
	l := newLab(t)
	g := newFakeGateway(l)
	newPoste(l, []*fakeGateway{g})
	tla := &lastingTLA{t: t, g: g, cert: l.certificate(theTLA, x509.ExtKeyUsageClientAuth), id: session.NewID()}
	conn, err := g.openAs(tla.cert, link.Joined{Generation: 2, TLA: theTLA.String(), Session: tla.id.String()})
	require.NoError(t, err)
	terminal, err := session.OpenTerminal(conn, session.TerminalConfig{ID: tla.id,
		Timers: session.Timers{Heartbeat: patience}})
	require.NoError(t, err)
	var bye *session.Bye
	require.ErrorAs(t, terminal.Run(context.Background()), &bye)
	require.Equal(t, session.ByeGone, bye.Code)
}

func TestResumeServiceStopsMeanwhile(t *testing.T) {
	_, _, p, reader, tla := resumeLab(t, func(c *Config) { c.Grace = time.Minute })
	require.NoError(t, tla.Insert(session.SlotCPS, vitaleATR, session.T1, echoCard{}))
	card := <-reader.cards
	tla.lose()
	eventually(t, func() bool { return !p.status().Session.Lost.IsZero() }, "the link is not lost")
	p.stop()
	require.Error(t, card.here.Err())
}
