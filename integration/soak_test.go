package integration

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/integration/lab"
	"tlagate/integration/world"
)

// soakEnv is the variable that says how long TestSoak goes on, as a Go duration (make soak T=10m); without it, a few
// seconds.
const soakEnv = "SOAK"

// TestSoak mixes visits, card changes, stops and starts: every command of a visit must reach the card exactly once, and
// every program must close what it opened.
func TestSoak(t *testing.T) {
	length := 5 * time.Second
	if text := os.Getenv(soakEnv); text != "" {
		var err error
		length, err = time.ParseDuration(text)
		require.NoError(t, err)
	}
	l := newLab(t)
	startSession(t, l)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	actions := []func(*testing.T, *lab.Lab){countVisit, countVisit, countVisit, changeCard, restartSession}
	for _, act := range actions { // each once, so that what is opened lazily is open
		act(t, l)
	}
	before := openFiles(t, l)
	done := 0
	for end := time.Now().Add(length); time.Now().Before(end); done++ {
		actions[random.IntN(len(actions))](t, l)
	}
	t.Logf("%d actions", done)
	require.NoError(t, world.Poll(patience, "open files to be as many as before", func() error {
		if now := openFiles(t, l); now != before {
			return fmt.Errorf("open files of gateway, PdT, relay: %v, before: %v", now, before)
		}
		return nil
	}))
}

func changeCard(t *testing.T, l *lab.Lab) {
	l.VitaleSlot.Remove()
	waitCard(t, l.PdTReaders, vitaleSlot, false)
	require.NoError(t, l.VitaleSlot.Insert(l.Vitale))
	waitCard(t, l.PdTReaders, vitaleSlot, true)
}

func restartSession(t *testing.T, l *lab.Lab) {
	_, err := l.Relay("stop")
	require.NoError(t, err)
	waitCard(t, l.PdTReaders, vitaleSlot, false)
	startSession(t, l)
}

// openFiles counts the open files of gateway, PdT and relay.
func openFiles(t *testing.T, l *lab.Lab) (counts [3]int) {
	for i, p := range []*world.Process{l.GatewayProc, l.PdTProc, l.RelayProc} {
		files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.PID()))
		require.NoError(t, err)
		counts[i] = len(files)
	}
	return counts
}
