package tla

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/session"
	"tlagate/tla/cards"
	"tlagate/tla/cards/cardstest"
)

// TestReadersNoInASession: the PdT gets the outcome failed, and its card stays in.
func TestReadersNoInASession(t *testing.T) {
	g := newRig(t)
	r := g.run()
	card := g.fake.Insert("left", cardstest.VitaleATR, 1)
	require.NoError(t, r.Start(t.Context(), byHand))
	require.Equal(t, session.SlotVitale, g.next(g.inserted))
	g.fake.Do(func() { card.Err = cardstest.ErrDeclined })
	_, err := g.command(session.SlotVitale)
	require.ErrorIs(t, err, session.Failed)
	g.fake.Do(func() { card.Err = nil })
	_, err = g.command(session.SlotVitale)
	require.NoError(t, err, "the same card, in the same epoch")
	require.Empty(t, g.removed)
	require.Equal(t, 1, g.fake.Count(&card.Colds))
}

// TestReadersNoAgainAndAgainIsAState: status and one line of the log say so, until a command is executed; a reset of
// the card does not end it.
func TestReadersNoAgainAndAgainIsAState(t *testing.T) {
	g := newRig(t)
	r := g.run()
	card := g.fake.Insert("left", cardstest.VitaleATR, 1)
	require.NoError(t, r.Start(t.Context(), byHand))
	require.Equal(t, session.SlotVitale, g.next(g.inserted))
	declined := func() int64 { return r.Status().Readers[0].Card.Declined }
	g.fake.Do(func() { card.Err = cardstest.ErrDeclined })
	for n := range cards.ManyDeclined {
		require.Zero(t, declined(), n)
		_, err := g.command(session.SlotVitale)
		require.ErrorIs(t, err, session.Failed)
	}
	require.EqualValues(t, cards.ManyDeclined, declined())
	require.Equal(t, cards.HoldTaken, r.Status().Readers[0].Card.Hold)
	g.fake.Do(func() { card.Err = nil })
	_, err := g.command(session.SlotVitale)
	require.NoError(t, err)
	require.Zero(t, declined())
}
