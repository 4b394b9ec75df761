package pdt

import (
	"context"
	"sync"
	"time"

	"tlagate/internal/retry"
)

// backoff spaces the attempts at one gateway, whoever makes them. Pauses do not grow: a gateway that is back must be
// found while the sessions that it carried are still kept.
type backoff struct {
	short, long time.Duration // longest pauses

	mu       sync.Mutex    // protects the rest
	failures int           // in a row
	next     time.Time     // no attempt before
	sooner   chan struct{} // closed when next is brought forward; nil: nobody waits
}

// wait until the next attempt may be made; false when ctx ends first.
func (b *backoff) wait(ctx context.Context) bool {
	for {
		next, sooner := b.look()
		timer := time.NewTimer(time.Until(next))
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-sooner:
			timer.Stop()
			continue
		}
		timer.Stop()
		return ctx.Err() == nil
	}
}

func (b *backoff) look() (next time.Time, sooner <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sooner == nil {
		b.sooner = make(chan struct{})
	}
	return b.next, b.sooner
}

func (b *backoff) at() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.next
}

// failed puts the next attempt off; attempts that fail together count once. After the first failure, and in a hurry,
// the pause is short.
func (b *backoff) failed(hurry bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	pause := b.long
	if hurry || b.failures == 0 {
		pause = b.short
	}
	if !now.Before(b.next) {
		b.failures++
		b.next = now.Add(retry.Jitter(pause))
	} else if hurry {
		b.forward(now.Add(retry.Jitter(pause)))
	}
}

// hurry makes a pause that is under way a short one.
func (b *backoff) hurry() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forward(time.Now().Add(retry.Jitter(b.short)))
}

// atOnce makes an end of a pause, if one is under way.
func (b *backoff) atOnce() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.forward(time.Now())
}

// forward holds b.mu.
func (b *backoff) forward(next time.Time) bool {
	if !next.Before(b.next) {
		return false
	}
	b.next = next
	if b.sooner != nil {
		close(b.sooner)
		b.sooner = nil
	}
	return true
}

// worked forgets the failures.
func (b *backoff) worked() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures, b.next = 0, time.Time{}
}
