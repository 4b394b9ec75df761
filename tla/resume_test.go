package tla

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/session"
	"tlagate/session/link"
	"tlagate/tla/cards/cardstest"
)

// lasting returns a rig whose session is up with a card, and whose links the test may break.
func lasting(t *testing.T, change func(*rig)) (*rig, *cardstest.Card) {
	g := newRig(t)
	g.tickets = true
	g.cfg.Timers.Redial, g.cfg.Timers.RedialMax = time.Millisecond, 10*time.Millisecond
	if change != nil {
		change(g)
	}
	r := g.run()
	card := g.fake.Insert("left", cardstest.CPSATR, 1)
	require.NoError(t, r.Start(t.Context(), byHand))
	require.Equal(t, session.SlotCPS, g.next(g.inserted))
	return g, card
}

// breakLink closes the socket of the relay's link, as a network would.
func (g *rig) breakLink() {
	g.relay.mu.Lock()
	defer g.relay.mu.Unlock()
	g.relay.live.route.Load().cut()
}

func (g *rig) resumed(n int64) func() bool {
	return func() bool {
		s := g.relay.Status()
		return s.State == StateUp && s.Session.Resumed == n
	}
}

func TestResumeLostLink(t *testing.T) {
	g, card := lasting(t, nil)
	for n := range int64(5) {
		g.breakLink()
		answer, err := g.command(session.SlotCPS)
		require.NoError(t, err, "the program waits")
		require.Len(t, answer, 3)
		eventually(t, "resumed", g.resumed(n+1))
	}
	require.Equal(t, 1, g.fake.Count(&card.Colds), "the card was held all the time")
	require.Empty(t, g.removed)
	require.True(t, g.relay.Stop())
	var bye *session.Bye
	require.ErrorAs(t, <-g.ends, &bye)
	require.Equal(t, session.ByeStopped, bye.Code)
}

// TestEL3ResumeGraceEnds: the link does not come back; the cards are powered down, the user is told, and nothing is
// dialled any more.
func TestEL3ResumeGraceEnds(t *testing.T) {
	g, card := lasting(t, func(g *rig) {
		g.cfg.Timers.Grace = 5 * time.Second
	})
	g.barred.Store(&link.Problem{Code: link.ProblemPdTAbsent, Detail: "It is not there.", Action: "Wait."})
	g.breakLink()
	eventually(t, "reconnecting", func() bool { return g.relay.Status().State == StateReconnecting })
	s := g.relay.Status().Session
	require.False(t, s.LostSince.IsZero())
	require.Equal(t, g.cfg.Timers.Grace, s.GraceUntil.Sub(s.LostSince))
	eventually(t, "idle", func() bool { return g.relay.Status().State == StateIdle })
	last := g.relay.Status().Last
	require.Equal(t, CodeLost, last.Code)
	require.Contains(t, last.Detail, "pdt_absent")
	require.True(t, last.Started)
	require.Equal(t, 1, g.fake.Count(&card.PowerDowns))
	require.Zero(t, g.open.Load())
	dials := g.dials.Load()
	g.barred.Store(nil)
	g.fake.Swap("left", cardstest.CPSATR, 2)
	eventually(t, "seen", func() bool { return g.seen(session.SlotCPS) != "" })
	require.Equal(t, dials, g.dials.Load(), "C4: nothing but a start")
}

// TestResumeRefusedForGood: a refusal that will not change ends the session at once, not after the grace time.
func TestResumeRefusedForGood(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*rig)
		code  Code
		why   string
	}{
		"ticket": {func(g *rig) {
			g.barred.Store(&link.Problem{Code: link.ProblemBadTicket, Detail: "No.", Action: "Start."})
		}, CodeProblem, string(link.ProblemBadTicket)},
		"gone": {func(g *rig) { g.workstation.Load().Close(net.ErrClosed) }, CodePdT, string(session.ByeGone)},
	} {
		t.Run(name, func(t *testing.T) {
			g, _ := lasting(t, func(g *rig) { g.cfg.Timers.Grace = time.Minute })
			c.spoil(g)
			g.breakLink()
			eventually(t, "idle", func() bool { return g.relay.Status().State == StateIdle })
			require.Equal(t, c.code, g.relay.Status().Last.Code)
			require.Equal(t, c.why, g.relay.Status().Last.Reason)
		})
	}
}

func TestC4StopWhileTheLinkIsLost(t *testing.T) {
	g, card := lasting(t, func(g *rig) { g.cfg.Timers.Grace = time.Minute })
	g.barred.Store(&link.Problem{Code: link.ProblemPdTAbsent, Detail: "It is not there.", Action: "Wait."})
	g.breakLink()
	eventually(t, "reconnecting", func() bool { return g.relay.Status().State == StateReconnecting })
	require.True(t, g.relay.Stop())
	require.Equal(t, CodeStopped, g.relay.Status().Last.Code)
	require.Equal(t, 1, g.fake.Count(&card.PowerDowns))
	require.Zero(t, g.open.Load())
}

func TestSA4LimitsHoldWhileTheLinkIsLost(t *testing.T) {
	g, _ := lasting(t, func(g *rig) { g.cfg.Timers.Grace, g.cfg.Timers.Inactive = time.Minute, 500*time.Millisecond })
	g.barred.Store(&link.Problem{Code: link.ProblemPdTAbsent, Detail: "It is not there.", Action: "Wait."})
	g.breakLink()
	eventually(t, "idle", func() bool { return g.relay.Status().State == StateIdle })
	require.Equal(t, CodeInactive, g.relay.Status().Last.Code)
}

// TestResumeAfterANoticeOfDraining: the session leaves a gateway that stops for another one, before it closes.
func TestResumeAfterANoticeOfDraining(t *testing.T) {
	links := make(chan *link.Conn, 9)
	g, _ := lasting(t, func(g *rig) {
		g.cfg.Gateways = append(g.cfg.Gateways, g.cfg.Gateways[0]) // the same one stands for another
		g.onUp = func(l *link.Conn) { links <- l }
	})
	require.NoError(t, (<-links).WriteNotice(link.Notice{Code: link.CodeDraining, Text: "Use another one."}))
	eventually(t, "resumed", g.resumed(1))
}

// TestC3OneGatewayThatDrainsIsNotKeptWaiting: where no other gateway is, the session leaves all the same, and waits for
// the gateway to come back.
func TestC3OneGatewayThatDrainsIsNotKeptWaiting(t *testing.T) {
	links := make(chan *link.Conn, 9)
	g, _ := lasting(t, func(g *rig) { g.onUp = func(l *link.Conn) { links <- l } })
	require.Len(t, g.cfg.Gateways, 1)
	require.NoError(t, (<-links).WriteNotice(link.Notice{Code: link.CodeDraining, Text: "Use another one."}))
	eventually(t, "resumed", g.resumed(1))
}

// TestC2NoticeEndsTheSessionForGood: a session that the gateway ends on purpose is not resumed.
func TestC2NoticeEndsTheSessionForGood(t *testing.T) {
	for _, code := range []link.Code{link.CodeRevoked, link.CodeExpired, link.CodeTimeOver, link.CodeEndedByOperator,
		link.CodeProtocol} {
		t.Run(string(code), func(t *testing.T) {
			links := make(chan *link.Conn, 9)
			g, _ := lasting(t, func(g *rig) { g.onUp = func(l *link.Conn) { links <- l } })
			(<-links).Part(link.Notice{Code: code, Text: "Over."})
			eventually(t, "idle", func() bool { return g.relay.Status().State == StateIdle })
			require.Equal(t, CodeNotice, g.relay.Status().Last.Code)
			require.EqualValues(t, 1, g.dials.Load())
		})
	}
}

func TestResumeHalfOpenLink(t *testing.T) {
	g, _ := lasting(t, func(g *rig) { g.cfg.Timers.Heartbeat = 500 * time.Millisecond })
	g.frozen.Store(true)
	eventually(t, "lost", func() bool { return g.relay.Status().State == StateReconnecting })
	g.frozen.Store(false)
	eventually(t, "resumed", g.resumed(1))
	_, err := g.command(session.SlotCPS)
	require.NoError(t, err)
}

// TestC1RetryAfterInsideASession: what a gateway asks for that has too many of us counts; what it says of a PdT that is
// away does not, since that may be back at any moment.
func TestC1RetryAfterInsideASession(t *testing.T) {
	p := &link.Problem{Code: link.ProblemTooMany, RetryAfter: 3 * time.Second}
	require.Equal(t, p.RetryAfter, askedPause(&failure{err: p}))
	require.Zero(t, askedPause(&failure{err: &link.Problem{Code: link.ProblemPdTAbsent, RetryAfter: time.Second}}))
	require.Zero(t, askedPause(&failure{err: net.ErrClosed}))
}
