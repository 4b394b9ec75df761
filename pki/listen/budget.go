package listen

import (
	"sync"
	"time"

	"tlagate/internal/bucket"
)

// Budget bounds how often something happens for each name: so many times at once, then once more after each period.
type Budget struct {
	rate  bucket.Rate
	names int

	mu      sync.Mutex // protects the rest
	left    map[string]bucket.Bucket
	soonest time.Time // before this no name can be forgotten
	sweep   int       // names at which those are forgotten whose budget is full
}

// fewNames are kept without a look at who they are. A name that was busy once says nothing any more when its budget is
// full, and a server has most of its peers for hours.
const fewNames = 64

// NewBudget returns a budget in which every name may happen size times at once. It keeps up to names of them; when
// there are more, all the others share one.
func NewBudget(size int, period time.Duration, names int) *Budget {
	return &Budget{rate: bucket.Rate{Size: size, Period: period}, names: names, left: map[string]bucket.Bucket{},
		sweep: min(names, fewNames)}
}

// Take spends one and returns 0, or, when none is left, returns how long until there is one.
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

// of returns the budget of a name, and the name under which it is kept.
func (b *Budget) of(name string, now time.Time) (string, bucket.Bucket) {
	if _, known := b.left[name]; !known && len(b.left) >= b.sweep {
		b.forget(now)
		b.sweep = min(b.names, max(fewNames, 2*len(b.left)))
		if len(b.left) >= b.names {
			name = ""
		}
	}
	return name, b.left[name]
}

// forget drops the names whose budget is full. It examines none while there can be no such name: a stranger can make it
// be called often.
func (b *Budget) forget(now time.Time) {
	if now.Before(b.soonest) {
		return
	}
	b.soonest = now.Add(time.Duration(b.rate.Size) * b.rate.Period) // no bucket is full later
	for name, left := range b.left {
		if left.Full().Before(now) {
			delete(b.left, name)
		} else if left.Full().Before(b.soonest) {
			b.soonest = left.Full()
		}
	}
}
