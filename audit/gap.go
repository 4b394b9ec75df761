package audit

import "time"

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
