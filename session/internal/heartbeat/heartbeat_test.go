package heartbeat

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience is the time for what must happen, however slow the machine is.
const patience = 2 * time.Minute

// TestDeadByTheFasterClock: a clock that was set back, or stood still, hides no dead peer.
func TestDeadByTheFasterClock(t *testing.T) {
	for i, clock := range []string{"the one of this process", "the machine's"} {
		t.Run(clock+" is behind", func(t *testing.T) {
			dead := make(chan struct{})
			m := New(5*time.Millisecond, func() {}, func() { close(dead) })
			m.Start()
			defer m.Stop()
			m.heard[i].Add(int64(time.Hour))
			select {
			case <-dead:
			case <-time.After(patience):
				require.Fail(t, "silent, and not dead")
			}
		})
	}
}
