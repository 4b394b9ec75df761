package link

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestHeardGoesByNoClockThatIsSet: else a link that is dead would seem to be heard from last, once the clock is set
// back.
func TestHeardGoesByNoClockThatIsSet(t *testing.T) {
	before := time.Now()
	l, _ := raw(t, Config{})
	require.Contains(t, l.Heard().String(), "m=", "a monotonic reading")
	require.False(t, l.Heard().Before(before))
	require.False(t, l.Heard().After(time.Now()))
}
