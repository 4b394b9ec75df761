package tla

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/session"
	"tlagate/tla/cards/cardstest"
	"tlagate/tla/control"
)

// showing returns a rig with both cards in, whose PdT tells when programs see a card, that is, when the test calls
// sees.
func showing(t *testing.T, change func(*rig)) *rig {
	g := newRig(t)
	g.shows = true
	g.cfg.Timers.Shown = time.Hour // no test waits that long: it changes it, or does not reach it
	if change != nil {
		change(g)
	}
	g.run()
	g.fake.Insert("right", cardstest.VitaleATR, 1)
	g.fake.Insert("left", cardstest.CPSATR, 2)
	eventually(t, "cards seen", func() bool {
		return g.seen(session.SlotCPS) != "" && g.seen(session.SlotVitale) != ""
	})
	return g
}

// starting has a local user start and wait, as tla-relay start does.
func (g *rig) starting(ctx context.Context) <-chan Answer {
	answer := make(chan Answer, 1)
	go func() {
		answer <- g.relay.Handle(ctx, byHand.By, control.Request{Command: "start", Wait: true}).(Answer)
	}()
	return answer
}

// sees has programs at the PdT see the card of a slot.
func (g *rig) sees(s session.Slot) { g.workstation.Load().Shown(s, g.epochs[s].Load()) }

// shown returns what a status says of the two cards.
func shown(s *Status) (vitale, cps *bool) {
	for _, r := range s.Readers {
		switch {
		case r.Card == nil:
		case r.Card.Role == session.SlotVitale.String():
			vitale = r.Card.Shown
		case r.Card.Role == session.SlotCPS.String():
			cps = r.Card.Shown
		}
	}
	return vitale, cps
}

func (g *rig) requireShown(s *Status, vitale, cps bool) {
	g.t.Helper()
	v, c := shown(s)
	require.NotNil(g.t, v)
	require.NotNil(g.t, c)
	require.Equal(g.t, [2]bool{vitale, cps}, [2]bool{*v, *c})
}

// TestStartReturnsWhenProgramsSeeTheCards: it waits for both of them, and the status says which are seen.
func TestStartReturnsWhenProgramsSeeTheCards(t *testing.T) {
	g := showing(t, nil)
	answer := g.starting(t.Context())
	g.next(g.inserted)
	g.next(g.inserted)
	eventually(t, "up", func() bool { return g.relay.Status().State == StateUp })
	s := g.relay.Status()
	g.requireShown(&s, false, false)
	g.sees(session.SlotCPS)
	eventually(t, "the CPS card to be shown", func() bool {
		s := g.relay.Status()
		_, cps := shown(&s)
		return *cps
	})
	require.Empty(t, answer, "one is missing")
	g.sees(session.SlotVitale)
	a := <-answer
	require.True(t, a.OK)
	g.requireShown(a.Status, true, true)

	g.fake.Swap("right", cardstest.VitaleATR, 3)
	require.Equal(t, session.SlotVitale, g.next(g.removed))
	require.Equal(t, session.SlotVitale, g.next(g.inserted))
	s = g.relay.Status()
	g.requireShown(&s, false, true)
	g.sees(session.SlotVitale)
	eventually(t, "the other card to be shown", func() bool {
		s := g.relay.Status()
		vitale, _ := shown(&s)
		return *vitale
	})
}

// TestStartDoesNotWaitForCardsThatNobodySees: the session is up all the same, and the answer says what is missing.
func TestStartDoesNotWaitForCardsThatNobodySees(t *testing.T) {
	g := showing(t, func(g *rig) { g.cfg.Timers.Shown = time.Nanosecond })
	a := <-g.starting(t.Context())
	require.True(t, a.OK)
	require.Equal(t, StateUp, a.Status.State)
	g.requireShown(a.Status, false, false)
}

// TestStartWaitsForNoCardThatIsNotThere: no card was in, or it was taken out meanwhile.
func TestStartWaitsForNoCardThatIsNotThere(t *testing.T) {
	g := showing(t, nil)
	answer := g.starting(t.Context())
	g.next(g.inserted)
	g.next(g.inserted)
	g.sees(session.SlotCPS)
	g.fake.Remove("right")
	require.True(t, (<-answer).OK)
	require.True(t, g.relay.Stop())
	<-g.ends
	g.fake.Remove("left")
	eventually(t, "no card seen", func() bool { return g.seen(session.SlotCPS) == "" })
	require.True(t, (<-g.starting(t.Context())).OK)
}

// TestStartWaitsForNoPdTThatDoesNotTell: an old PdT does not tell what its programs see.
func TestStartWaitsForNoPdTThatDoesNotTell(t *testing.T) {
	g := showing(t, func(g *rig) { g.shows = false })
	a := <-g.starting(t.Context())
	require.True(t, a.OK)
	vitale, cps := shown(a.Status)
	require.Nil(t, vitale)
	require.Nil(t, cps)
}

// TestStartWithoutWaiting: old user interfaces start so.
func TestStartWithoutWaiting(t *testing.T) {
	g := showing(t, nil)
	a := g.relay.Handle(t.Context(), byHand.By, control.Request{Command: "start"}).(Answer)
	require.True(t, a.OK)
	g.requireShown(a.Status, false, false)
}

// TestC4AClientThatGoesWhileCardsAreShownEndsNothing: the session is up; its client only waits for programs.
func TestC4AClientThatGoesWhileCardsAreShownEndsNothing(t *testing.T) {
	g := showing(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	answer := g.starting(ctx)
	g.next(g.inserted)
	eventually(t, "up", func() bool { return g.relay.Status().State == StateUp })
	cancel()
	require.True(t, (<-answer).OK)
	require.Equal(t, StateUp, g.relay.Status().State)
}

// TestStartTellsOfASessionThatEndsMeanwhile: its user ends it while programs do not see the cards yet.
func TestStartTellsOfASessionThatEndsMeanwhile(t *testing.T) {
	g := showing(t, nil)
	answer := g.starting(t.Context())
	g.next(g.inserted)
	eventually(t, "up", func() bool { return g.relay.Status().State == StateUp })
	require.True(t, g.relay.Stop())
	a := <-answer
	require.False(t, a.OK)
	require.Equal(t, CodeStopped, a.Error.Code)
	<-g.ends
	a = g.relay.started(nil) // it ended between the start's end and the answer
	require.False(t, a.OK)
	require.Equal(t, CodeStopped, a.Error.Code)
}

// TestSA4ShownKeepsNoSessionAlive: that programs see a card is neither a command nor an act of the user.
func TestSA4ShownKeepsNoSessionAlive(t *testing.T) {
	g := showing(t, nil)
	answer := g.starting(t.Context())
	g.next(g.inserted)
	g.next(g.inserted)
	eventually(t, "up", func() bool { return g.relay.Status().State == StateUp })
	g.relay.mu.Lock()
	l := g.relay.live
	g.relay.mu.Unlock()
	command, human := l.command.Load(), l.human.Load()
	g.sees(session.SlotCPS)
	g.sees(session.SlotVitale)
	require.True(t, (<-answer).OK)
	require.Same(t, command, l.command.Load())
	require.Same(t, human, l.human.Load())
}
