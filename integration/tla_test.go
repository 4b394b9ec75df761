package integration

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/integration/cardsim"
	"tlagate/integration/lab"
	"tlagate/integration/world"
	"tlagate/tla"
	"tlagate/tla/cards"
)

// relayStatus returns what `tla-relay status --json` prints.
func relayStatus(t *testing.T, l *lab.Lab) *tla.Status {
	t.Helper()
	out, err := l.Relay("status", "--json")
	require.NoError(t, err)
	var a tla.Answer
	require.NoError(t, json.Unmarshal([]byte(out), &a))
	return a.Status
}

// waitRelay waits until the relay's status is ok.
func waitRelay(t *testing.T, l *lab.Lab, what string, ok func(*tla.Status) bool) {
	t.Helper()
	require.NoError(t, world.Poll(patience, what, func() error {
		if s := relayStatus(t, l); !ok(s) {
			return fmt.Errorf("it says %+v", s)
		}
		return nil
	}))
}

// cardIs returns a condition: the lease of a role's card is in the state want; "" = there is no card.
func cardIs(role string, want cards.Hold) func(*tla.Status) bool {
	return func(s *tla.Status) bool {
		for _, r := range s.Readers {
			if r.Card != nil && r.Card.Role == role {
				return r.Card.Hold == want && want != ""
			}
		}
		return want == ""
	}
}

// TestTLACardIsHeldExclusively: in a session no other program of the TLA can use the card. The relay waits for a
// program that has it already, and the status says so.
func TestTLACardIsHeldExclusively(t *testing.T) {
	l := newLab(t)
	waitCard(t, l.TLAReaders, 1, true)
	c := startClient(t, l.TLAReaders)
	connect := "connect " + slotName(l.TLAReaders, 1)
	require.Equal(t, "ok", c.do(connect))
	_, err := l.Relay("start", "--no-wait") // programs of the PdT cannot see that card
	require.NoError(t, err)
	waitRelay(t, l, "the card to be reported busy", cardIs("vitale", cards.HoldBusy))
	waitRelay(t, l, "the other card to be held", cardIs("cps", cards.HoldTaken))
	require.Equal(t, "ok", c.do("disconnect"))
	waitRelay(t, l, "the card to be held", cardIs("vitale", cards.HoldTaken))
	require.Equal(t, "error 8010000B", c.do(connect), "a sharing violation")
	_, err = l.Relay("stop")
	require.NoError(t, err)
	require.Equal(t, "ok", c.do(connect))
}

// TestTLACardsLoseTheirPowerAtTheEnd: what the session has unlocked is locked at once.
func TestTLACardsLoseTheirPowerAtTheEnd(t *testing.T) {
	l := newLab(t)
	startSession(t, l)
	vitale, cps := l.Vitale.Counts().PowerOffs, l.CPS.Counts().PowerOffs
	_, err := l.Relay("stop")
	require.NoError(t, err)
	waitPowerOff(t, l.Vitale.Counts, vitale)
	waitPowerOff(t, l.CPS.Counts, cps)
	s := relayStatus(t, l)
	require.Equal(t, tla.StateIdle, s.State)
	require.Equal(t, tla.CodeStopped, s.Last.Code)
}

// waitPowerOff waits until a card has lost its power once more: vpcd does not wait for the card to say so.
func waitPowerOff(t *testing.T, counts func() cardsim.Counts, before int) {
	t.Helper()
	require.NoError(t, world.Poll(patience, "the card to lose its power", func() error {
		if counts().PowerOffs <= before {
			return errors.New("it has not")
		}
		return nil
	}))
}

// TestTLATermEndsTheSessionFirst: SIGTERM is a proper end, for the PdT and for the cards.
func TestTLATermEndsTheSessionFirst(t *testing.T) {
	l := newLab(t)
	startSession(t, l)
	vitale := l.Vitale.Counts().PowerOffs
	require.NoError(t, l.RelayProc.Stop())
	code, err := l.RelayProc.Wait(patience)
	require.NoError(t, err)
	require.Zero(t, code)
	waitPowerOff(t, l.Vitale.Counts, vitale)
	require.NoFileExists(t, l.Path("relay.sock"))
	_, err = l.PdTProc.WaitLine(patience, "session ended", "shutdown")
	require.NoError(t, err)
	waitCard(t, l.PdTReaders, vitaleSlot, false)
}

// TestTLAServiceRestarts: the TLA's pcscd is absent at first, goes away and comes back, outside and inside a session.
func TestTLAServiceRestarts(t *testing.T) {
	l := layLab(t)
	require.NoError(t, l.StartReaders())
	require.NoError(t, l.TLAReaders.Stop())
	require.NoError(t, l.StartGateway())
	require.NoError(t, l.StartPdT())
	require.NoError(t, l.StartRelay())
	waitRelay(t, l, "the absence to be reported", func(s *tla.Status) bool { return s.PCSC != "" })
	require.NoError(t, l.TLAReaders.Start())
	require.NoError(t, l.InsertCards())
	waitRelay(t, l, "two readers", func(s *tla.Status) bool { return s.PCSC == "" && len(s.Readers) == 2 })
	startSession(t, l)
	l.TLAReaders.Kill()
	waitRelay(t, l, "the loss to be reported", func(s *tla.Status) bool {
		return s.PCSC != "" && s.State == tla.StateUp
	})
	waitCard(t, l.PdTReaders, vitaleSlot, false)
	for _, s := range []*cardsim.Slot{l.VitaleSlot, l.CPSSlot} {
		s.Remove()
	}
	require.NoError(t, l.TLAReaders.Start())
	require.NoError(t, l.VitaleSlot.Insert(l.Vitale))
	require.NoError(t, l.CPSSlot.Insert(l.CPS))
	waitCard(t, l.PdTReaders, vitaleSlot, true)
	waitCard(t, l.PdTReaders, cpsSlot, true)
	waitSerial(t, l, l.Vitale)
}

// TestTLAPlugCycles: ten cards in and out in a session leave nothing behind in the relay.
func TestTLAPlugCycles(t *testing.T) {
	l := newLab(t)
	startSession(t, l)
	before := relayFiles(t, l)
	for range 10 {
		l.VitaleSlot.Remove()
		waitRelay(t, l, "the card to be out", cardIs("vitale", ""))
		require.NoError(t, l.VitaleSlot.Insert(l.Vitale))
		waitRelay(t, l, "the card to be held", cardIs("vitale", cards.HoldTaken))
	}
	require.NoError(t, world.Poll(patience, "as many open files as before", func() error {
		if after := relayFiles(t, l); after > before {
			return fmt.Errorf("%d instead of %d", after, before)
		}
		return nil
	}))
	waitSerial(t, l, l.Vitale)
}

func relayFiles(t *testing.T, l *lab.Lab) int {
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", l.RelayProc.PID()))
	require.NoError(t, err)
	return len(files)
}

// TestC4RelayHasNoNetworkSocketOutsideASession looks at the real process: before a start, in between, after an end,
// after starts that failed.
func TestC4RelayHasNoNetworkSocketOutsideASession(t *testing.T) {
	l := newLab(t)
	require.Empty(t, networkSockets(t, l.RelayProc.PID()))
	waitRelay(t, l, "two cards", func(s *tla.Status) bool { return len(s.Readers) == 2 })
	require.Empty(t, networkSockets(t, l.RelayProc.PID()), "nor do cards and questions make it open one")
	startSession(t, l)
	sockets := networkSockets(t, l.RelayProc.PID())
	require.Len(t, sockets, 1, "the one to the gateway")
	require.NotContains(t, sockets[0], " 0A ", "it does not listen")
	_, err := l.Relay("stop")
	require.NoError(t, err)
	require.Empty(t, networkSockets(t, l.RelayProc.PID()))
	require.NoError(t, l.Revoke(lab.TLA))
	require.NoError(t, world.Poll(patience, "the start to be refused", func() error {
		if _, err := l.Relay("start"); err != nil {
			return nil
		}
		_, err := l.Relay("stop")
		return errors.Join(err, errors.New("it started"))
	}))
	require.Empty(t, networkSockets(t, l.RelayProc.PID()))
	require.NoError(t, l.GatewayProc.Stop())
	_, err = l.Relay("start")
	require.ErrorContains(t, err, "Le service de votre opérateur ne répond pas.")
	require.Empty(t, networkSockets(t, l.RelayProc.PID()))
}

// TestTLATransactionOfAnotherProgram: pcscd makes the relay wait until the transaction ends; the user is not told to
// unplug the reader.
func TestTLATransactionOfAnotherProgram(t *testing.T) {
	l := newLab(t)
	waitCard(t, l.TLAReaders, 1, true)
	c := startClient(t, l.TLAReaders)
	require.Equal(t, "ok", c.do("connect "+slotName(l.TLAReaders, 1)))
	require.Equal(t, "ok", c.do("begin"))
	_, err := l.Relay("start")
	require.NoError(t, err)
	waitRelay(t, l, "the card to be reported busy", cardIs("vitale", cards.HoldBusy))
	out, err := l.Relay("status")
	require.NoError(t, err)
	require.Contains(t, out, "un autre programme l'occupe")
	require.Equal(t, "ok", c.do("end"))
	require.Equal(t, "ok", c.do("disconnect"))
	waitRelay(t, l, "the card to be held", cardIs("vitale", cards.HoldTaken))
}

// TestTLAStopWithAHungPCSCD: the session ends, and the user is not told that the cards are free before they are.
func TestTLAStopWithAHungPCSCD(t *testing.T) {
	l := newLab(t)
	startSession(t, l)
	require.NoError(t, l.TLAReaders.Process().Signal(syscall.SIGSTOP))
	_, err := l.Relay("stop")
	require.ErrorContains(t, err, "sa carte n'est pas encore libre")
	require.Equal(t, tla.StateIdle, relayStatus(t, l).State)
	require.NoError(t, l.TLAReaders.Process().Signal(syscall.SIGCONT))
	waitRelay(t, l, "the cards to be free", func(s *tla.Status) bool {
		return !slices.ContainsFunc(s.Readers, func(r tla.ReaderStatus) bool {
			return r.Card == nil || r.Card.Hold != cards.HoldNone
		})
	})
	out, err := l.Relay("stop")
	require.NoError(t, err)
	require.Contains(t, out, "les cartes sont libres")
}

// networkSockets returns all sockets of a process but the local ones: their lines in /proc/net, and those that are in
// no table.
func networkSockets(t *testing.T, pid int) (found []string) {
	own := openSockets(t, pid) // and whether each is in a table
	seen := func(inode string) bool {
		_, ours := own["socket:["+inode+"]"]
		if ours {
			own["socket:["+inode+"]"] = true
		}
		return ours
	}
	for _, table := range []string{"tcp", "tcp6", "udp", "udp6", "raw", "raw6", "packet"} {
		b, err := os.ReadFile("/proc/net/" + table)
		if os.IsNotExist(err) {
			continue
		}
		require.NoError(t, err)
		for _, line := range strings.Split(string(b), "\n") {
			if f := strings.Fields(line); len(f) > 9 && seen(f[9]) {
				found = append(found, table+" "+strings.Join(f, " "))
			}
		}
	}
	local, err := os.ReadFile("/proc/net/unix")
	require.NoError(t, err)
	for line := range strings.Lines(string(local)) {
		if f := strings.Fields(line); len(f) > 6 {
			seen(f[6])
		}
	}
	still := openSockets(t, pid) // those that were not closed while the tables were read
	for socket, known := range own {
		if _, held := still[socket]; held && !known {
			found = append(found, "unknown "+socket)
		}
	}
	return found
}

// openSockets returns the sockets of a process as "socket:[INODE]".
func openSockets(t *testing.T, pid int) map[string]bool {
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	require.NoError(t, err)
	held := map[string]bool{}
	for _, fd := range fds {
		if target, _ := os.Readlink(fd); strings.HasPrefix(target, "socket:[") {
			held[target] = false
		}
	}
	return held
}
