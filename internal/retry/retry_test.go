package retry

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		require.True(t, Sleep(ctx, time.Second))
		require.Equal(t, time.Second, time.Since(began))
		require.True(t, Sleep(ctx, -time.Second))
		time.AfterFunc(time.Minute, cancel)
		require.False(t, Sleep(ctx, time.Hour))
		require.Equal(t, time.Minute+time.Second, time.Since(began))
		for range 100 {
			require.False(t, Sleep(ctx, 0), "it has ended, however short the pause")
		}
	})
}

func TestBetween(t *testing.T) {
	seen := map[time.Duration]bool{}
	for range 1000 {
		d := Between(3, 6)
		require.True(t, d >= 3 && d <= 6)
		seen[d] = true
	}
	require.Len(t, seen, 4)
	require.Equal(t, time.Duration(3), Between(3, 3))
	require.GreaterOrEqual(t, Jitter(time.Second), time.Second/2)
	require.LessOrEqual(t, Jitter(time.Second), time.Second)
	require.Zero(t, Jitter(0))
}

func TestDoubled(t *testing.T) {
	for failures, want := range map[int]time.Duration{1: 1, 2: 2, 3: 4, 4: 8, 5: 10, 1000: 10} {
		require.Equal(t, want*time.Second, Doubled(time.Second, 10*time.Second, failures), failures)
	}
	require.Equal(t, time.Second, Doubled(time.Minute, time.Second, 1), "no more than most")
	require.Equal(t, time.Duration(math.MaxInt64), Doubled(time.Second, math.MaxInt64, 100))
	require.Equal(t, 4*time.Second, Doubled(time.Second, 4*time.Second, 3))
}

func TestBackoff(t *testing.T) {
	b := Backoff{First: time.Second, Most: 5 * time.Second}
	for _, want := range []time.Duration{1, 2, 4, 5, 5} {
		require.Equal(t, want*time.Second, b.Next())
	}
	b.Reset()
	require.Equal(t, time.Second, b.Next())
}
