package audit

import (
	"time"

	"tlagate/internal/stamp"
)

// gap is what was lost because it could not be written.
type gap struct {
	count    int
	from, to time.Time // of the first event and of the last
}

// with returns two gaps as one.
func (g gap) with(o gap) gap {
	switch {
	case g.count == 0:
		return o
	case o.count == 0:
		return g
	}
	if o.from.Before(g.from) {
		g.from = o.from
	}
	if o.to.After(g.to) {
		g.to = o.to
	}
	g.count += o.count
	return g
}

// lose counts one event that will never be written.
func (l *Log) lose() {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gap = l.gap.with(gap{1, now, now})
	l.stats.Lost++
}

// gapCall returns the line about what was lost. It waits for the room of an ordinary line: while only the reserve is
// left, more may be lost.
func (l *Log) gapCall() *call {
	g := l.gap
	c := l.ownCall(AuditGap, Count(g.count), From(stamp.Instant(g.from)), To(stamp.Instant(g.to)))
	c.lost, c.weight = g, ordinary
	return c
}

// ownCall returns a line that the log itself adds.
func (l *Log) ownCall(kind Kind, attrs ...Attr) *call {
	c, err := l.makeCall([]Event{{kind, attrs}})
	if err != nil {
		panic(err) // the kinds and attributes are this package's
	}
	return c
}
