package integration

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/integration/faults"
)

// soakLost returns how many exchanges a soak has, whatever its time (a fault comes with every tenth), and how many are
// made at a time; with -short, few.
func soakLost() (exchanges, atATime int) {
	if testing.Short() {
		return 80, 80
	}
	return 10_000, 1000
}

// TestSoakLostLinks is a longer TestC2ExactlyOnceOverABadLink, with figures.
func TestSoakLostLinks(t *testing.T) {
	if os.Getenv(soakEnv) == "" {
		t.Skip("only make soak takes that long: TestC2ExactlyOnceOverABadLink is a tenth of it")
	}
	b := newLostBedAlone(t, quickTimers)
	before := openFiles(t, b.Lab)
	r := &badRun{plan: faults.NewPlan(faultSeed(t), badNetwork)}
	defer func() {
		twice, lost := b.tally()
		t.Logf("%d exchanges; %v (%s repeats it), %d struck; %d resumes, %d to the other gateway; %d executed "+
			"twice, %d lost; longest wait %v",
			r.exchanges, r.plan, faultSeedEnv, r.struck, r.resumes, r.moves, twice, lost,
			b.longest.Round(time.Millisecond))
		t.Logf("read ahead: %+v", b.session().Ahead)
	}()
	for exchanges, n := soakLost(); r.exchanges < exchanges || r.struck < exchanges/10; {
		b.run(r, n, 8)
	}
	b.onceEach()
	t.Logf("open files of gateway, PdT, relay: %v before, %v after", before, openFiles(t, b.Lab))
	require.True(t, testing.Short() || r.moves > 0)
}
