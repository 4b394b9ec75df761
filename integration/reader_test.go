package integration

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/integration/lab"
	"tlagate/integration/world"
	"tlagate/pdt"
	"tlagate/tla/cards"
)

// TestReadersNoDoesNotCostTheCard: the terminal's reader declines a long command. The program is told that the command
// failed, its handle stays good, and what is selected at the card stays selected.
func TestReadersNoDoesNotCostTheCard(t *testing.T) {
	l := newLab(t, func(l *lab.Lab) { l.Limits = &world.Limits{MaxCommand: 40} })
	startSession(t, l)
	c := startClient(t, l.PdTReaders)
	require.Equal(t, "ok", c.do("connect "+slotName(l.PdTReaders, cpsSlot)))
	require.Regexp(t, "9000$", c.transmit("00A4040009A0000003080000100000"))
	before := l.CPS.Counts()
	require.Equal(t, "error 80100016", c.transmit("0087119A64"+strings.Repeat("7C", 100)), "longer than the reader "+
		"takes: SCARD_E_NOT_TRANSACTED")
	require.Regexp(t, "(9000|61..)$", c.transmit("00CB3FFF055C035FC10200"),
		"an object of the application selected before")
	after := l.CPS.Counts()
	require.Equal(t, before.PowerOns, after.PowerOns, "the card was not taken anew")
	require.Equal(t, before.Commands+1, after.Commands, "of the two one has reached the card")
	waitRelay(t, l, "the card to be held", cardIs("cps", cards.HoldTaken))

	for range cards.ManyDeclined {
		require.Equal(t, "error 80100016", c.transmit("0087119A64"+strings.Repeat("7C", 100)))
	}
	out, err := l.Relay("status")
	require.NoError(t, err)
	require.Contains(t, out, "Le lecteur ne fait plus ce qui est demandé à votre carte CPS")
	st, _, err := pdt.AskStatus(l.Path("pdt.sock"))
	require.NoError(t, err)
	require.Contains(t, strings.Join(st.Warnings, "\n"), "did not execute the last 3 commands for the cps card")
}

// TestT0OnlyReaderServesACardThatOffersT1: programs at the PdT take the card for a T=1 card and get whole answers; so
// do those that fetch answers with GET RESPONSE themselves.
func TestT0OnlyReaderServesACardThatOffersT1(t *testing.T) {
	l := newLab(t, func(l *lab.Lab) { l.Limits = &world.Limits{OnlyT0: true} })
	startSession(t, l)
	c := startClient(t, l.PdTReaders)
	require.Equal(t, "ok", c.do("connect "+slotName(l.PdTReaders, cpsSlot)))
	require.Regexp(t, "^61.*9000$", c.transmit("00A4040009A0000003080000100000"), "case 4: data at once")
	first := c.transmit("00CB3FFF055C035FC10500")
	require.Regexp(t, "61..$", first, "256 octets of a certificate, and more")
	require.Len(t, first, 2*(256+2))
	require.Regexp(t, "(61..|9000)$", c.transmit("00C0000000"))
	require.Regexp(t, "^61..$", c.transmit("00CB3FFF055C035FC105"), "case 3: the program fetches it")
	require.Equal(t, "ok", c.do("disconnect"))
	configureOpenSC(t, l.PdTReaders, fmt.Sprintf("ignored_readers = %q;", slotName(l.PdTReaders, vitaleSlot)))
	listObjects(t, l.PdTReaders, l.CPS)
	signWith9E(t, l.PdTReaders, l.CPS)
}
