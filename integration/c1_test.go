package integration

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/integration/cardsim"
	"tlagate/integration/world"
)

// TestC1CardPolicy: a program of the PdT may do with the cards what the card policy of the TLA allows, and no more.
func TestC1CardPolicy(t *testing.T) {
	l := newLab(t)
	startSession(t, l)
	refused := []string{
		"00D6000001AA",               // UPDATE BINARY
		"00D0000001AA",               // WRITE BINARY
		"00E2000001AA",               // APPEND RECORD
		"0E44000000",                 // ACTIVATE FILE, under secure messaging
		"0044000000",                 // ACTIVATE FILE
		"00C200000700A40400023F00",   // SELECT in an ENVELOPE
		"0CA40000023F00",             // SELECT under secure messaging
		"10A40000023F00",             // SELECT in parts
		"00A4040005A0000000FF",       // an application that is neither card's
		"00820000083132333435363738", // EXTERNAL AUTHENTICATE
		"80CA9F7F00",                 // GET DATA for what is the issuer's
		"00B00000000020",             // READ BINARY with extended lengths
		"FFCA000000",                 // a command to the reader
		"00B0000004DEADBEEF",         // READ BINARY with data
	}
	c := startClient(t, l.PdTReaders) // opensc-tool would correct some of these commands
	require.Equal(t, "ok", c.do("connect "+slotName(l.PdTReaders, vitaleSlot)))
	before := l.Vitale.Counts().Commands
	for _, apdu := range refused {
		require.Regexp(t, "^(6982|6A82|6884|6E00)$", c.transmit(apdu), apdu)
	}
	require.Equal(t, before, l.Vitale.Counts().Commands, "not one reached the card")

	require.Equal(t, serialFile(l.Vitale), c.transmit(readSerial))
	require.NotContains(t, c.transmit("00A404000B"+cardsim.AIDVitale), "error")
	require.Equal(t, before+2, l.Vitale.Counts().Commands)

	t.Run("the user is told", func(t *testing.T) {
		out, err := l.Relay("status")
		require.NoError(t, err)
		require.Contains(t, out, "ce terminal a refusé 13 demandes du Poste de Travail")
	})
	t.Run("the log says which rule, and nothing that was sent", func(t *testing.T) {
		log := strings.Join(l.RelayProc.Lines(), "\n")
		require.Equal(t, len(refused)-1, strings.Count(log, "command refused by the card policy"),
			"all but the one that is expected")
		require.Contains(t, log,
			`command=00D60000 lc=1 le=0 app=none profile=vitale rule="" why="no rule allows it" answer=6982`)
		for _, secret := range []string{"DEADBEEF", "deadbeef", "3132333435363738"} {
			require.NotContains(t, log, secret)
		}
	})
}

// TestC1AnOrdinaryProgramRaisesNoAlarm: what OpenSC tries with every card is refused or executed, without a warning to
// the user or in the log.
func TestC1AnOrdinaryProgramRaisesNoAlarm(t *testing.T) {
	l := newLab(t)
	startSession(t, l)
	before := l.Vitale.Counts().Commands
	for _, probe := range [][]string{
		{"opensc-tool", "--reader", slotName(l.PdTReaders, vitaleSlot), "-n"},
		{"pkcs15-tool", "--reader", slotName(l.PdTReaders, vitaleSlot), "-D"},
		{"opensc-tool", "--reader", slotName(l.PdTReaders, cpsSlot), "-n"},
		{"pkcs15-tool", "--reader", slotName(l.PdTReaders, cpsSlot), "-D"},
		{"pkcs11-tool", "-L"},
	} {
		out, err := world.Run(patience, l.PdTReaders.Env(), probe[0], probe[1:]...)
		t.Logf("%v: %v\n%s", probe, err, out) // it may complain about a card that it does not know
	}
	require.Greater(t, l.Vitale.Counts().Commands, before, "it did try")
	log := strings.Join(l.RelayProc.Lines(), "\n")
	require.NotContains(t, log, "command refused by the card policy")
	require.Zero(t, relayStatus(t, l).Session.Refused)
}
