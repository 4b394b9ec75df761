package pulse

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const patience = 3 * time.Minute

// TestWaitHangsAsLongAsTheLoopDoes: and returns when it comes round, and at once when it is over.
func TestWaitHangsAsLongAsTheLoopDoes(t *testing.T) {
	l := New()
	came := make(chan struct{})
	go func() { l.Wait(); close(came) }()
	select {
	case <-came:
		require.Fail(t, "the loop had not come round")
	case <-time.After(20 * time.Millisecond): // that it hangs can only be seen for a while
	}
	<-l.Asked()
	requireClosed(t, came)
	l.End()
	again := make(chan struct{})
	go func() { l.Wait(); close(again) }()
	requireClosed(t, again)
}

func requireClosed(t *testing.T, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		require.Fail(t, "it hangs")
	}
}
