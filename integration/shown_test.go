package integration

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/tla"
)

// bothCards is what readers returns when programs of the PdT see both cards.
var bothCards = map[string]bool{vitaleReader: true, cpsReader: true}

// TestStartReturnsWhenProgramsSeeTheCards: no program of the PdT has to try twice after `tla-relay start`.
func TestStartReturnsWhenProgramsSeeTheCards(t *testing.T) {
	l := newLab(t)
	waitRelay(t, l, "both cards", bothCardsAre(nil))
	for range 3 {
		out, err := l.Relay("start")
		require.NoError(t, err)
		require.Equal(t, bothCards, readers(tool(t, l.PdTReaders, "opensc-tool", "-l")), out)
		require.NotContains(t, out, "ne voient pas encore")
		_, err = l.Relay("stop")
		require.NoError(t, err)
		waitCard(t, l.PdTReaders, vitaleSlot, false)
		waitCard(t, l.PdTReaders, cpsSlot, false)
	}
}

// TestStartWithoutWaitingForPrograms: the workstation has no driver, so programs do not see the cards. The session is
// up all the same; its status says so, and says when that has changed.
func TestStartWithoutWaitingForPrograms(t *testing.T) {
	l := newLab(t)
	waitRelay(t, l, "both cards", bothCardsAre(nil))
	require.NoError(t, l.PdTReaders.Stop())
	out, err := l.Relay("start", "--no-wait")
	require.NoError(t, err)
	require.Contains(t, out, "Session ouverte")
	require.NotContains(t, out, "ne voient pas encore", "who does not wait is not told")
	waitRelay(t, l, "both cards not to be seen", bothCardsAre(new(false)))
	out, err = l.Relay("status")
	require.NoError(t, err)
	require.Contains(t, out, "carte Vitale 2, utilisée par la session, pas encore visible pour le Poste de Travail")
	require.NoError(t, l.PdTReaders.Start())
	waitRelay(t, l, "both cards to be seen", bothCardsAre(new(true)))
	require.Equal(t, bothCards, readers(tool(t, l.PdTReaders, "opensc-tool", "-l")))
}

// bothCardsAre returns a condition: both cards are in, and programs of the PdT see them or not, as shown says (nil: not
// known).
func bothCardsAre(shown *bool) func(*tla.Status) bool {
	return func(s *tla.Status) bool {
		n := 0
		for _, r := range s.Readers {
			if c := r.Card; c != nil && c.Use == tla.UseSlot &&
				(c.Shown == nil) == (shown == nil) && (shown == nil || *c.Shown == *shown) {
				n++
			}
		}
		return n == 2
	}
}
