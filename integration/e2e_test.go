package integration

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/integration/cardsim"
	"tlagate/integration/lab"
	"tlagate/integration/world"
)

// Slots of the PdT, whichever readers of the TLA the cards are in.
const (
	vitaleSlot = 0
	cpsSlot    = 1
)

// startSession starts a session as the user, and returns when the PdT's programs see the cards.
func startSession(t *testing.T, l *lab.Lab) {
	t.Helper()
	_, err := l.Relay("start")
	require.NoError(t, err)
	waitCard(t, l.PdTReaders, vitaleSlot, true)
	waitCard(t, l.PdTReaders, cpsSlot, true)
}

// serialFile returns the response to readSerial: the Vitale's EF 2F02, which tells one card from another.
func serialFile(v *cardsim.Vitale) string {
	return fmt.Sprintf("%X9000", v.Content(cardsim.AIDVitaleMF, 0x2F02))
}

const readSerial = "00B0820030"

// TestEndToEnd is the main job: unmodified PC/SC programs of the PdT use the cards in the TLA.
func TestEndToEnd(t *testing.T) {
	l := newLab(t)
	require.Equal(t, map[string]bool{vitaleReader: false, cpsReader: false},
		readers(tool(t, l.PdTReaders, "opensc-tool", "-l")))
	startSession(t, l)
	pdt := l.PdTReaders

	t.Run("ATR", func(t *testing.T) {
		for slot, card := range map[int]cardsim.Card{vitaleSlot: l.Vitale, cpsSlot: l.CPS} {
			atr := tool(t, pdt, "opensc-tool", "--reader", slotName(pdt, slot), "-a")
			require.Equal(t, fmt.Sprintf("%x", card.ATR()), strings.ReplaceAll(strings.TrimSpace(atr), ":", ""))
		}
	})
	t.Run("Vitale file", func(t *testing.T) { readVitale(t, l) })
	t.Run("CPS", func(t *testing.T) {
		hideVitaleFromOpenSC(t, pdt)
		t.Run("list", func(t *testing.T) { listObjects(t, pdt, l.CPS) })
		t.Run("certificates", func(t *testing.T) { readCertificates(t, pdt, l.CPS) })
		t.Run("signature with 9E", func(t *testing.T) { signWith9E(t, pdt, l.CPS) })
	})
	t.Run("SP4 PIN", func(t *testing.T) { refusePIN(t, l) })
	t.Run("a visit's commands come once each, in order", func(t *testing.T) { countVisit(t, l) })

	_, err := l.Relay("stop")
	require.NoError(t, err)
	waitCard(t, pdt, vitaleSlot, false)
	waitCard(t, pdt, cpsSlot, false)
}

// hideVitaleFromOpenSC makes OpenSC's PKCS#11 tools, which know no Vitale card, look at the CPS alone.
func hideVitaleFromOpenSC(t *testing.T, p *world.PCSCD) {
	configureOpenSC(t, p, fmt.Sprintf("ignored_readers = %q;", slotName(p, vitaleSlot)))
}

// readVitale reads a whole file by application, in short blocks.
func readVitale(t *testing.T, l *lab.Lab) {
	content := l.Vitale.Content(cardsim.AIDVitale, 0xD001)
	commands := []string{"00A404000B" + cardsim.AIDVitale, "00C0000013", "00A4000002D001"}
	for offset := 0; offset < len(content); offset += 0x40 {
		commands = append(commands, fmt.Sprintf("00B0%04X%02X", offset, min(0x40, len(content)-offset)))
	}
	got := send(t, l.PdTReaders, vitaleSlot, commands...)
	require.Len(t, got, len(commands))
	var read strings.Builder
	for _, response := range got[3:] {
		require.True(t, strings.HasSuffix(response, "9000"))
		read.WriteString(strings.TrimSuffix(response, "9000"))
	}
	require.Equal(t, fmt.Sprintf("%X", content), read.String())
}

// refusePIN asserts that a change or unblocking of a PIN by a program of the PdT is answered 6982 and reaches no card.
// For VERIFY see TestSP4….
func refusePIN(t *testing.T, l *lab.Lab) {
	const selectPIV = "00A4040009A0000003080000100000"
	before := len(l.CPS.History())
	got := send(t, l.PdTReaders, cpsSlot, selectPIV, "0020008000",
		"002400801031323334FFFFFFFF34333231FFFFFFFF", "002C00801031323334FFFFFFFF34333231FFFFFFFF")
	require.Equal(t, []string{"63C3", "6982", "6982"}, got[1:], "probe of VERIFY, CHANGE, RESET RETRY COUNTER")
	for _, e := range l.CPS.History()[before:] {
		require.False(t, (e.INS == 0x20 && e.DataLength > 0) || e.INS == 0x24 ||
			e.INS == 0x2C, "a PIN reached the card")
	}
}

func countVisit(t *testing.T, l *lab.Lab) {
	before := l.Vitale.Counts().Commands
	commands := []string{"00A40000023F00"}
	for range 40 {
		commands = append(commands, readSerial)
	}
	got := send(t, l.PdTReaders, vitaleSlot, commands...)
	require.Len(t, got, 41)
	require.Equal(t, 41, l.Vitale.Counts().Commands-before)
}

// TestCardSwapNeverReadsAsTheFirst: a program is connected to a card that is swapped for another. Its handle must not
// read the other one; a new connection does. The reader's driver reports a card that was swapped between two polls, as
// real drivers do.
func TestCardSwapNeverReadsAsTheFirst(t *testing.T) {
	l := newLab(t, func(l *lab.Lab) { l.Limits = &world.Limits{} })
	startSession(t, l)
	other := cardsim.NewVitale(cardsim.VitaleConfig{Serial: "0000000002"})
	require.NotEqual(t, serialFile(l.Vitale), serialFile(other))
	for name, swap := range map[string]func(cardsim.Card) error{
		"with a pause": l.VitaleSlot.Insert,
		"at once":      l.VitaleSlot.InsertNow,
	} {
		t.Run(name, func(t *testing.T) {
			l.VitaleSlot.Remove()
			require.NoError(t, l.VitaleSlot.Insert(l.Vitale))
			waitSerial(t, l, l.Vitale)
			c := startClient(t, l.PdTReaders)
			require.Equal(t, "ok", c.do("connect "+slotName(l.PdTReaders, vitaleSlot)))
			require.Equal(t, serialFile(l.Vitale), c.transmit(readSerial))
			l.VitaleSlot.Remove()
			require.NoError(t, swap(other))
			for range 50 { // programs retry; none of the retries may read the other card
				answer := c.transmit(readSerial)
				require.NotContains(t, answer, serialFile(other))
				if strings.HasPrefix(answer, "error") {
					break
				}
			}
			waitSerial(t, l, other)
			require.NotContains(t, c.transmit(readSerial), "9000", "the old handle stays dead")
		})
	}
}

// waitSerial waits until a new program reads card in the Vitale slot.
func waitSerial(t *testing.T, l *lab.Lab, card *cardsim.Vitale) {
	t.Helper()
	require.NoError(t, world.Poll(patience, "the card to be read", func() error {
		out, err := world.Run(patience, l.PdTReaders.Env(), "opensc-tool", "--reader",
			slotName(l.PdTReaders, vitaleSlot),
			"--card-driver", "default", "-s", readSerial)
		if got := lab.Responses(out); err == nil && (len(got) != 1 || got[0] != serialFile(card)) {
			return fmt.Errorf("another card, or none, is read")
		}
		return err
	}))
}

const (
	readCurrent = "00B0000020"
	noCurrentEF = "6986"
)

// TestSecurityStateNeverPasses: what one program has unlocked at the card is locked for the next.
func TestSecurityStateNeverPasses(t *testing.T) {
	l := newLab(t)
	startSession(t, l)
	c := startClient(t, l.PdTReaders)
	for _, end := range []string{"reset", "unpower"} {
		require.Equal(t, "ok", c.do("connect "+slotName(l.PdTReaders, vitaleSlot)))
		for _, command := range []string{"00A404000B" + cardsim.AIDVitale, "00C0000013", "00A4000002D001"} {
			require.NotContains(t, c.transmit(command), "error")
		}
		require.Regexp(t, "9000$", c.transmit(readCurrent))
		before := l.Vitale.Counts()
		require.Equal(t, "ok", c.do(end))
		after := l.Vitale.Counts()
		require.Greater(t, after.Resets+after.PowerOns, before.Resets+before.PowerOns, "%s is a real one at the card",
			end)
		require.Equal(t, noCurrentEF, c.transmit(readCurrent), "the application selected before is selected no more")
		require.Equal(t, "ok", c.do("disconnect"))
	}
}

// TestPdTDriverRestarts: the PdT's pcscd goes away and comes back during a session, and programs find the cards again.
func TestPdTDriverRestarts(t *testing.T) {
	l := newLab(t)
	startSession(t, l)
	require.NoError(t, l.PdTReaders.Restart())
	waitCard(t, l.PdTReaders, vitaleSlot, true)
	waitCard(t, l.PdTReaders, cpsSlot, true)
	waitSerial(t, l, l.Vitale)
}

// TestSessionsFollowOneAnother: stop and start again, several times; each time the cards are cold reset for the new
// session.
func TestSessionsFollowOneAnother(t *testing.T) {
	l := newLab(t)
	for range 3 {
		before := l.CPS.Counts().PowerOns
		startSession(t, l)
		require.Greater(t, l.CPS.Counts().PowerOns, before)
		_, err := l.Relay("start")
		require.Error(t, err, "a second start during a session")
		_, err = l.Relay("stop")
		require.NoError(t, err)
		waitCard(t, l.PdTReaders, vitaleSlot, false)
	}
}
