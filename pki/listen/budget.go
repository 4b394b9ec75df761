package listen

import (
	"sync"
	"time"

	"tlagate/internal/bucket"
)

// Budget bounds how often something happens by name: so many at once, then one more after each period.
type Budget struct {
	rate  bucket.Rate
	names int

	mu      sync.Mutex // protects the rest
	left    map[string]bucket.Bucket
	soonest time.Time // no name can be forgotten before
}

// NewBudget makes a budget whose every name is full. It keeps so many names; when there are more, all the others share
// one budget.
func NewBudget(size int, period time.Duration, names int) *Budget {
	return &Budget{rate: bucket.Rate{Size: size, Period: period}, names: names, left: map[string]bucket.Bucket{}}
}

// Take spends one and returns 0, or how long until there is one.
func (b *Budget) Take(name string) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	name, left := b.of(name, now)
	wait := left.Take(now, b.rate)
	if wait > 0 {
		return wait
	}
	if b.left[name] = left; left.Full().Before(b.soonest) {
		b.soonest = left.Full()
	}
	return 0
}

// Missing is Take without spending.
func (b *Budget) Missing(name string) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	_, left := b.of(name, now)
	return left.Missing(now, b.rate)
}

// of returns the budget of a name, and the name that it goes by.
func (b *Budget) of(name string, now time.Time) (string, bucket.Bucket) {
	if _, known := b.left[name]; !known && len(b.left) >= b.names {
		if b.forget(now); len(b.left) >= b.names {
			name = ""
		}
	}
	return name, b.left[name]
}

// forget drops the names whose budget is full, and looks at none while there can be no such name: a stranger can ask
// often.
func (b *Budget) forget(now time.Time) {
	if now.Before(b.soonest) {
		return
	}
	b.soonest = now.Add(time.Duration(b.rate.Size) * b.rate.Period) // as far away as any is
	for name, left := range b.left {
		if left.Full().Before(now) {
			delete(b.left, name)
		} else if left.Full().Before(b.soonest) {
			b.soonest = left.Full()
		}
	}
}
