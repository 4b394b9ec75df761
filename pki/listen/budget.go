package listen

import (
	"sync"
	"time"
)

// Budget bounds how often something happens by name: so many at once, then one more after each period.
type Budget struct {
	size   int
	period time.Duration
	names  int

	mu      sync.Mutex // protects the rest
	until   map[string]time.Time
	soonest time.Time // no name can be forgotten before
}

// NewBudget makes a budget whose every name is full. It keeps so many names; when there are more, all the others share
// one budget.
func NewBudget(size int, period time.Duration, names int) *Budget {
	return &Budget{size: size, period: period, names: names, until: map[string]time.Time{}}
}

// Take spends one and returns 0, or how long until there is one.
func (b *Budget) Take(name string) time.Duration { return b.look(name, true) }

// Missing is Take without spending.
func (b *Budget) Missing(name string) time.Duration { return b.look(name, false) }

// look: until is when a name's budget will be full again; it is empty when that is a whole budget away.
func (b *Budget) look(name string, spend bool) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if _, known := b.until[name]; !known && len(b.until) >= b.names {
		if b.forget(now); len(b.until) >= b.names {
			name = ""
		}
	}
	full := b.until[name]
	if full.Before(now) {
		full = now
	}
	next := full.Add(b.period)
	if wait := next.Sub(now) - time.Duration(b.size)*b.period; wait > 0 {
		return wait
	}
	if spend {
		if b.until[name] = next; next.Before(b.soonest) {
			b.soonest = next
		}
	}
	return 0
}

// forget drops the names whose budget is full, and looks at none while there can be no such name: a stranger can ask
// often.
func (b *Budget) forget(now time.Time) {
	if now.Before(b.soonest) {
		return
	}
	b.soonest = now.Add(time.Duration(b.size) * b.period) // as far away as any is
	for name, full := range b.until {
		if full.Before(now) {
			delete(b.until, name)
		} else if full.Before(b.soonest) {
			b.soonest = full
		}
	}
}
