package pdt

import (
	"context"
	"sync"
	"time"
)

// backoff spaces the attempts at one gateway, whoever makes them.
type backoff struct {
	first, max time.Duration

	mu       sync.Mutex // protects the rest
	failures int        // in a row
	next     time.Time  // no attempt before
}

// wait until the next attempt may be made; false when ctx ends first.
func (b *backoff) wait(ctx context.Context) bool {
	return wait(ctx, time.Until(b.at()))
}

func (b *backoff) at() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.next
}

// failed puts the next attempt off; attempts that fail together count once.
func (b *backoff) failed() {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if now.Before(b.next) {
		return
	}
	pause := min(b.first<<min(b.failures, 20), b.max)
	b.failures++
	b.next = now.Add(jitter(pause))
}

// worked forgets the failures.
func (b *backoff) worked() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures, b.next = 0, time.Time{}
}
