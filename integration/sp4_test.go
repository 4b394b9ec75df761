package integration

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/integration/cardsim"
	"tlagate/integration/lab"
	"tlagate/integration/world"
)

// The PIN of the card in this test, and what a program of the PdT sends in its place. Neither occurs in any program for
// another reason.
const (
	rightPIN   = "83719264"
	programPIN = "46291738"
)

// TestSP4ThePINStaysInTheTerminal: a program of the PdT sends a VERIFY; the user enters the PIN at the TLA, and the
// card accepts it. Neither what the program sent nor what the user typed is where it should not be: in logs, or in the
// memory of relay, gateway or PdT.
func TestSP4ThePINStaysInTheTerminal(t *testing.T) {
	l := newLab(t)
	startSession(t, l)
	card, err := cardsim.NewCPS(cardsim.CPSConfig{PIN: rightPIN})
	require.NoError(t, err)
	l.CPSSlot.Remove()
	waitCard(t, l.PdTReaders, cpsSlot, false)
	require.NoError(t, l.CPSSlot.Insert(card))
	waitCard(t, l.PdTReaders, cpsSlot, true)

	c := startClient(t, l.PdTReaders)
	require.Equal(t, "ok", c.do("connect "+slotName(l.PdTReaders, cpsSlot)))
	require.NotContains(t, c.transmit("00A4040009A0000003080000100000"), "error")
	verify := func(typed string) (answer, user string) {
		done := make(chan string)
		go func() { done <- c.transmit("0020008008" + strings.ToUpper(hex.EncodeToString([]byte(programPIN)))) }()
		out, err := enterPIN(l, typed)
		return <-done, out + fmt.Sprint(err)
	}
	answer, user := verify("00000000\n")
	require.Equal(t, "63C2", answer)
	require.Contains(t, user, "Code porteur faux : il reste 2 essais.")
	require.Contains(t, user, "Code porteur de la carte CPS, demandé par le Poste de Travail bureau, 3 essais restants")
	answer, user = verify("\n")
	require.Contains(t, user, "Vous avez refusé de donner le code porteur")
	require.Equal(t, "6401", answer, "the user says no")
	answer, user = verify(rightPIN + "\n")
	require.Equal(t, "9000", answer)
	require.Contains(t, user, "Code porteur correct.")

	requireNowhere(t, l, rightPIN, programPIN)
}

// programsOf returns the running programs of a lab, by what they are for.
func programsOf(l *lab.Lab) map[string]*world.Process {
	return map[string]*world.Process{"relay": l.RelayProc, "gateway": l.GatewayProc, "PdT": l.PdTProc}
}

// requireNowhere asserts that secrets are neither in the logs nor in the memory of the programs.
func requireNowhere(t *testing.T, l *lab.Lab, secrets ...string) {
	t.Helper()
	for name, p := range programsOf(l) {
		log := strings.Join(p.Lines(), "\n")
		for _, secret := range secrets {
			require.NotContains(t, log, secret, "%s's log", name)
			require.NotContains(t, log, hex.EncodeToString([]byte(secret)), "%s's log", name)
			require.Zero(t, inMemory(t, p.PID(), secret), "%s's memory", name)
		}
	}
	control, err := world.Start(world.Command{Name: "sleep", Path: "/bin/sleep", Args: []string{"60"},
		Env: []string{"PIN=" + secrets[0]}})
	require.NoError(t, err)
	require.Positive(t, inMemory(t, control.PID(), secrets[0]), "the search finds the PIN where it is")
	control.Kill()
}

// enterPIN runs tla-relay pin as the user does, types, and returns what it prints.
func enterPIN(l *lab.Lab, typed string) (string, error) {
	return l.Type("tla-relay", typed, "pin", "--config", l.Path("relay.yaml"))
}

// inMemory counts the occurrences of a text in all writable memory of a process: what a core dump would have, and more.
func inMemory(t *testing.T, pid int, text string) (found int) {
	return inMemoryOf(t, pid, "", text)
}

// inMemoryOf counts those in the variables of a library of the process, or, if none is named, in all of its memory.
func inMemoryOf(t *testing.T, pid int, library, text string) (found int) {
	maps, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	require.NoError(t, err)
	defer maps.Close()
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	require.NoError(t, err)
	defer mem.Close()
	searched, ours := 0, false
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		var from, to uint64
		var mode string
		_, err := fmt.Sscanf(lines.Text(), "%x-%x %s", &from, &to, &mode)
		require.NoError(t, err)
		// What a library does not initialise is behind what it does, without a name.
		ours = strings.Contains(lines.Text(), library) || ours && len(strings.Fields(lines.Text())) == 5
		if !strings.HasPrefix(mode, "rw") || !ours {
			continue
		}
		n, hits := count(io.NewSectionReader(mem, int64(from), int64(to-from)), text)
		searched, found = searched+n, found+hits
	}
	require.Greater(t, searched, 1<<16)
	return found
}

// count reads to the end, a piece at a time, and returns how much that was and how often the text occurs.
func count(r io.Reader, text string) (read, found int) {
	piece := make([]byte, 1<<20)
	kept := 0 // octets of the piece before: a text may lie across two
	for {
		n, err := r.Read(piece[kept:])
		read += n
		found += bytes.Count(piece[:kept+n], []byte(text))
		if err != nil {
			return read, found
		}
		rest := min(kept+n, len(text)-1)
		copy(piece, piece[kept+n-rest:kept+n])
		kept = rest
	}
}
