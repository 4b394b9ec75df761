package pdt

import (
	"context"
	"sync"
	"time"

	"tlagate/internal/retry"
)

// backoff spaces the attempts at one gateway, whichever link makes them. Pauses do not grow: a gateway that is back
// must be found while the sessions that it carried still wait.
type backoff struct {
	short, long time.Duration // longest pauses

	mu       sync.Mutex    // protects the rest
	failures int           // in a row
	next     time.Time     // no attempt before it
	sooner   chan struct{} // closed when next is brought forward; nil = nobody waits
}

// wait waits until the next attempt may be made, and reports whether ctx has not ended.
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

// failed delays the next attempt; attempts that fail together count once. After the first failure, and in a hurry, the
// pause is short; but never shorter than asked, what the gateway asked for, as far as that is within the longest pause.
func (b *backoff) failed(hurry bool, asked time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	pause := b.long
	if hurry || b.failures == 0 {
		pause = b.short
	}
	next := now.Add(max(retry.Jitter(pause), min(asked, b.long)))
	if !now.Before(b.next) {
		b.failures++
		b.next = next
	} else if hurry {
		b.bringForward(next)
	}
}

// hurry shortens a pause that is under way.
func (b *backoff) hurry() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bringForward(time.Now().Add(retry.Jitter(b.short)))
}

// atOnce ends a pause, and reports whether one was under way.
func (b *backoff) atOnce() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.bringForward(time.Now())
}

// bringForward makes the next attempt earlier, and reports whether it did. The caller holds b.mu.
func (b *backoff) bringForward(next time.Time) bool {
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
