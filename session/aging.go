package session

import (
	"sync"
	"time"

	"tlagate/session/ahead"
)

// aging sees to it that what was read ahead does not get too old. Its methods are called with the lock of the slot.
type aging struct {
	of    expirer
	timer *time.Timer
}

// expirer is a desk or a promiser.
type expirer interface {
	// Expire gives up what is too old, and returns when it is to be called again; zero = there is nothing.
	Expire(now time.Time) time.Duration
}

func newAging(mu *sync.Mutex, of expirer) *aging {
	a := &aging{of: of}
	a.timer = time.AfterFunc(time.Hour, func() {
		mu.Lock()
		defer mu.Unlock()
		a.expire(time.Now())
	})
	a.timer.Stop()
	return a
}

// expire gives up what is too old at that time, and sees to it that the next will be.
func (a *aging) expire(now time.Time) {
	if next := a.of.Expire(now); next > 0 {
		a.timer.Reset(next)
	}
}

// stop is called when there is nothing to give up.
func (a *aging) stop() { a.timer.Stop() }

// sumOf returns the sum of the counts of all slots.
func sumOf(counts func(Slot) ahead.Counts) (sum ahead.Counts) {
	for i := range Slots {
		sum = sum.Plus(counts(Slot(i)))
	}
	return sum
}
