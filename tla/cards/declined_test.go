package cards

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/session"
	"tlagate/tla/cards/cardstest"
)

// TestReadersNoLeavesTheCard: when a reader declines a command, a reset or a VERIFY, the card stays taken, and later
// commands are executed.
func TestReadersNoLeavesTheCard(t *testing.T) {
	f := cardstest.New("a")
	card := f.Insert("a", cardstest.VitaleATR, 7)
	l := taking(t, f, patience)
	f.Do(func() { card.Err = cardstest.ErrDeclined })
	_, err := l.Transmit(apdu)
	require.ErrorIs(t, err, cardstest.ErrDeclined)
	require.NotErrorIs(t, err, session.ErrCardLost)
	f.Do(func() { card.Err = nil })
	answer, err := l.Transmit(apdu)
	require.NoError(t, err)
	require.Equal(t, []byte{7, 0x90, 0}, answer)
	require.Equal(t, 1, f.Count(&card.Colds), "not taken again")
	select {
	case <-l.over:
		t.Fatal("the lease is given up")
	default:
	}
}

// TestReadersNoOfACardThatGoes: a card that is pulled during a command is lost, though PC/SC learns of that only after
// the error; so is one that was swapped.
func TestReadersNoOfACardThatGoes(t *testing.T) {
	for name, goes := range map[string]func(*cardstest.Service){
		"pulled":       func(f *cardstest.Service) { f.Remove("a") },
		"swapped":      func(f *cardstest.Service) { f.Swap("a", cardstest.VitaleATR, 2) },
		"unplugged":    func(f *cardstest.Service) { f.Unplug("a") },
		"service lost": func(f *cardstest.Service) { f.SetDown(true) },
	} {
		t.Run(name, func(t *testing.T) {
			f := cardstest.New("a")
			card := f.Insert("a", cardstest.VitaleATR, 1)
			l := taking(t, f, patience)
			f.Do(func() { card.Err = cardstest.ErrDeclined; f.WhenWaiting = func() { goes(f) } })
			_, err := l.Transmit(apdu)
			require.ErrorIs(t, err, session.ErrCardLost)
			<-l.over
		})
	}
}
