package integration

import (
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
)

// killedTrace is the gateway's trace, beside its configuration.
const killedTrace = "gateway-audit.jsonl"

// TestSA2KilledWhileManyOpen: the gateway is killed while terminals open sessions at once, three times: once
// one has its 101, and as soon as some lines are written, which is in the middle of a commit. Each time it goes on with
// the same chain, and each session whose 101 a terminal saw is in the trace, with its consent.
//
// Fault: a gateway dies.
func TestSA2KilledWhileManyOpen(t *testing.T) {
	b := newCutBed(t, "audit: "+killedTrace)
	file := b.Path(killedTrace)
	var seen []string
	for round := range 3 {
		ready := b.manyReady(t, round)
		begun := sizeOf(t, file)
		seen = append(seen, b.openAndKill(t, ready, func(answered int) bool {
			return answered > 0 && round == 0 || round > 0 && sizeOf(t, file) > begun+int64(round)<<12
		})...)
		b.startCut(t, "audit: "+killedTrace)
		out, err := b.Run("tla-gateway", "audit", "verify", "--file", file)
		require.NoError(t, err, out)
	}
	opened := openedIn(t, file)
	for _, session := range seen {
		require.True(t, opened[session], "session %s was opened, and is not in the trace", session)
	}
	t.Logf("%d opens were answered before a kill; the trace has %d", len(seen), len(opened))
}

func sizeOf(t *testing.T, file string) int64 {
	t.Helper()
	info, err := os.Stat(file)
	require.NoError(t, err)
	return info.Size()
}

// openedIn returns the sessions of which a trace has both consent and beginning.
func openedIn(t *testing.T, file string) map[string]bool {
	t.Helper()
	consents, opened := map[string]bool{}, map[string]bool{}
	for line, err := range audit.Read(file) {
		require.NoError(t, err)
		session := line.Entry.With["session"]
		consents[session] = consents[session] || line.Entry.Event == audit.ConsentAccepted
		if line.Entry.Event == audit.SessionOpened && consents[session] {
			opened[session] = true
		}
	}
	return opened
}

// perPractice is how many sessions of one PdT are opened at once.
const perPractice = 3

// manyReady makes sessions ready to be opened, of several PdTs.
func (b *cutBed) manyReady(t *testing.T, round int) (all []*readySession) {
	t.Helper()
	all = make([]*readySession, practices*perPractice)
	errs := make([]error, practices)
	var running sync.WaitGroup
	for p := range practices {
		running.Go(func() { errs[p] = b.practiceReady(round, p, all[p*perPractice:(p+1)*perPractice]) })
	}
	running.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	return all
}

func (b *cutBed) practiceReady(round, p int, all []*readySession) error {
	practice := fmt.Sprintf("urn:tlagate:cab%d-%d", round, p)
	client, err := b.crowd.Issue("pdt-client", practice+":pdt:p")
	if err != nil {
		return err
	}
	server, err := b.crowd.Issue("pdt-server", practice+":pdt:p", "pdt.invalid")
	for i := range all {
		if err == nil {
			all[i], err = b.ready(client, server, fmt.Sprintf("%s:tla:t%d", practice, i))
		}
	}
	return err
}

// openAndKill opens sessions at once, kills the gateway as soon as it is time, by the number of them that have their
// 101, and returns all that had it.
func (b *cutBed) openAndKill(t *testing.T, ready []*readySession, isTime func(answered int) bool) (seen []string) {
	t.Helper()
	answered := make(chan string, len(ready))
	var running sync.WaitGroup
	for _, r := range ready {
		running.Go(func() {
			if _, err := r.open(); err == nil {
				answered <- r.id
			}
		})
	}
	for end := time.Now().Add(patience); !isTime(len(answered)); { // no pause: a commit takes a moment
		require.True(t, time.Now().Before(end), "too few opens were answered")
	}
	b.GatewayProc.Kill()
	running.Wait()
	close(answered)
	for id := range answered {
		seen = append(seen, id)
	}
	return seen
}
