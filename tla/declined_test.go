package tla

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/session"
)

// TestReadersNoLeavesTheCard: a reader that declines a command, a reset or a VERIFY keeps its card, and what follows is executed.
func TestReadersNoLeavesTheCard(t *testing.T) {
	f := newFake("a")
	card := f.insert("a", vitaleATR, 7)
	h := takeFake(t, f, patience)
	f.do(func() { card.err = errDeclined })
	_, err := h.Transmit(apdu)
	require.ErrorIs(t, err, errDeclined)
	require.NotErrorIs(t, err, session.ErrCardLost)
	f.do(func() { card.err = nil })
	answer, err := h.Transmit(apdu)
	require.NoError(t, err)
	require.Equal(t, []byte{7, 0x90, 0}, answer)
	require.Equal(t, 1, get(f, func() int { return card.colds }), "not taken again")
	select {
	case <-h.lost:
		t.Fatal("the hold is given up")
	default:
	}
}

// TestReadersNoOfACardThatGoes: a card that is pulled under a command is lost, though PC/SC learns of it after the error; so is one
// that was swapped.
func TestReadersNoOfACardThatGoes(t *testing.T) {
	for name, goes := range map[string]func(*fakePCSC){
		"pulled":       func(f *fakePCSC) { f.remove("a") },
		"swapped":      func(f *fakePCSC) { f.swap("a", vitaleATR, 2) },
		"unplugged":    func(f *fakePCSC) { f.unplug("a") },
		"service lost": func(f *fakePCSC) { f.setDown(true) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake("a")
			card := f.insert("a", vitaleATR, 1)
			h := takeFake(t, f, patience)
			f.do(func() { card.err = errDeclined; f.whenWaiting = func() { goes(f) } })
			_, err := h.Transmit(apdu)
			require.ErrorIs(t, err, session.ErrCardLost)
			<-h.lost
		})
	}
}

// TestReadersNoInASession: the PdT gets the outcome failed, and its card stays.
func TestReadersNoInASession(t *testing.T) {
	g := newRig(t)
	r := g.run()
	card := g.fake.insert("left", vitaleATR, 1)
	require.NoError(t, r.Start(t.Context(), byHand))
	require.Equal(t, session.SlotVitale, g.next(g.inserted))
	g.fake.do(func() { card.err = errDeclined })
	_, err := g.command(session.SlotVitale)
	require.ErrorIs(t, err, session.Failed)
	g.fake.do(func() { card.err = nil })
	_, err = g.command(session.SlotVitale)
	require.NoError(t, err, "the same card, in the same epoch")
	require.Empty(t, g.removed)
	require.Equal(t, 1, get(g.fake, func() int { return card.colds }))
}

// TestReadersNoAgainAndAgainIsAState, which the status tells and one line of the log, until a command is executed; a reset of
// the card does not end it.
func TestReadersNoAgainAndAgainIsAState(t *testing.T) {
	g := newRig(t)
	r := g.run()
	card := g.fake.insert("left", vitaleATR, 1)
	require.NoError(t, r.Start(t.Context(), byHand))
	require.Equal(t, session.SlotVitale, g.next(g.inserted))
	declined := func() int64 { return r.Status().Readers[0].Card.Declined }
	g.fake.do(func() { card.err = errDeclined })
	for n := range ManyDeclined {
		require.Zero(t, declined(), n)
		_, err := g.command(session.SlotVitale)
		require.ErrorIs(t, err, session.Failed)
	}
	require.EqualValues(t, ManyDeclined, declined())
	require.Equal(t, HoldTaken, r.Status().Readers[0].Card.Hold)
	g.fake.do(func() { card.err = nil })
	_, err := g.command(session.SlotVitale)
	require.NoError(t, err)
	require.Zero(t, declined())
}
