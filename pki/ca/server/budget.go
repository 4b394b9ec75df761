package server

import (
	"sync"
	"time"
)

// budget bounds how often something happens by name: so many at once, then one more after each period.
type budget struct {
	size   int
	period time.Duration

	mu      sync.Mutex // protects the rest
	until   map[string]time.Time
	soonest time.Time // no name can be forgotten before
}

func newBudget(size int, period time.Duration) *budget {
	return &budget{size: size, period: period, until: map[string]time.Time{}}
}

// budgetNames bounds the names kept. When there are more, all the others share one budget.
const budgetNames = 4096

// take spends one, and gives 0; or says how long until there is one.
func (b *budget) take(name string) time.Duration { return b.look(name, true) }

// missing is take without spending.
func (b *budget) missing(name string) time.Duration { return b.look(name, false) }

// look: until is when a name's budget will be full again; it is empty when that is a whole budget away.
func (b *budget) look(name string, spend bool) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if _, known := b.until[name]; !known && len(b.until) >= budgetNames {
		if b.forget(now); len(b.until) >= budgetNames {
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

// forget drops the names whose budget is full, and looks at none while there can be no such name: a stranger can ask often.
func (b *budget) forget(now time.Time) {
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
