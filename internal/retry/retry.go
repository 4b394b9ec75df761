// Package retry has what every loop that tries again needs: waiting that a context can end, pauses that grow, and
// randomness in them, so that programs that failed together do not come back together.
package retry

import (
	"context"
	"math/rand/v2"
	"time"
)

// Sleep waits for d, and reports whether it did: false when ctx ended before.
func Sleep(ctx context.Context, d time.Duration) bool {
	if ctx.Err() != nil {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Between returns a random duration of at least low and at most high.
func Between(low, high time.Duration) time.Duration { return low + rand.N(high-low+1) }

// Jitter returns a random duration between half of d and d.
func Jitter(d time.Duration) time.Duration { return Between(d/2, d) }

// Doubled returns the pause after so many failures (1 or more): first, then twice as long each time, up to most.
func Doubled(first, most time.Duration, failures int) time.Duration {
	pause := first
	for range failures - 1 {
		if pause >= most/2 {
			return most
		}
		pause *= 2
	}
	return min(pause, most)
}

// Backoff counts the failures of one thing. With First and Most set, the zero Backoff is ready for use.
type Backoff struct {
	First, Most time.Duration // the first pause and the longest

	failures int
}

// Next returns the pause after one more failure, without randomness in it.
func (b *Backoff) Next() time.Duration {
	b.failures++
	return Doubled(b.First, b.Most, b.failures)
}

// Reset forgets the failures. It is called after a success.
func (b *Backoff) Reset() { b.failures = 0 }
