package fleet

import (
	"cmp"
	"slices"
	"time"
)

// member is the record of one identity.
type member struct {
	late    bool             // its program was too old when it last asked
	asked   bool             // an instance is known
	latest  string           // the instance that came last
	came    time.Time        // when it did first
	earlier []past           // those before it, at most maxEarlier, oldest first
	rivals  map[string]rival // instances that have links beside each other
	since   time.Time        // when it was first taken for a clone; zero = it is not
	sign    time.Time        // when it was last
}

// past is an instance that another came after.
type past struct {
	name  string
	until time.Time     // when the next one came
	last  time.Duration // how long it was the latest
}

// maxEarlier bounds how many earlier instances of an identity are known.
const maxEarlier = 4

func (m *member) instances() []string {
	var list []string
	for _, p := range m.earlier {
		list = append(list, Short(p.name))
	}
	return append(list, Short(m.latest))
}

// returns keeps that an instance asked at now, on a connection made at connected, and reports whether it came back
// after another: two processes use one identity.
func (m *member) returns(instance string, connected, now time.Time) bool {
	known := slices.IndexFunc(m.earlier, func(p past) bool { return p.name == instance })
	switch {
	case !m.asked:
		m.asked = true
	case instance == m.latest:
		return false
	case known >= 0:
		return connected.After(m.earlier[known].until)
	default:
		m.pass(past{m.latest, now, now.Sub(m.came)})
	}
	m.latest, m.came = instance, now
	return false
}

// pass keeps an instance that another came after. If there are too many, the one goes that was the latest for the
// shortest time: whoever makes up instances does not have the true one forgotten.
func (m *member) pass(p past) {
	m.earlier = append(m.earlier, p)
	if len(m.earlier) <= maxEarlier {
		return
	}
	shortest := len(m.earlier) - 1
	for i := range m.earlier {
		if m.earlier[i].last < m.earlier[shortest].last {
			shortest = i
		}
	}
	m.earlier = slices.Delete(m.earlier, shortest, shortest+1)
}

// rival is an instance that has links beside another's.
type rival struct {
	first time.Time // when it was first seen so
	since time.Time // since when it has had company all the time; zero = it has none
}

// bothAnswer is how long an instance answers beside others until that is a clone: a link that answers nothing is gone
// long before.
const bothAnswer = time.Minute

// live keeps which instances have links at now, and when each was last heard from, and reports whether one of them has
// answered for long enough beside others, which may change.
func (m *member) live(heard map[string]time.Time, now time.Time) (clone bool) {
	if len(heard) < 2 {
		m.rivals = nil
		return false
	}
	before := m.rivals
	m.rivals = map[string]rival{}
	for name := range heard {
		m.rivals[name] = rival{cmp.Or(before[name].first, now), before[name].since}
	}
	for name, at := range heard {
		r := m.rivals[name]
		if begun := m.company(name, heard); begun.IsZero() || r.since.IsZero() {
			r.since = begun
		} else if at.Sub(r.since) >= bothAnswer {
			clone = true
		}
		m.rivals[name] = r
	}
	return clone
}

// company returns since when an instance has had one beside it that was heard from after it was first seen itself: a
// link that a power cut left behind is none. Zero = there is none.
func (m *member) company(name string, heard map[string]time.Time) (begun time.Time) {
	own := m.rivals[name].first
	for other, at := range heard {
		if other == name || !at.After(own) {
			continue
		}
		if both := later(m.rivals[other].first, own); begun.IsZero() || both.Before(begun) {
			begun = both
		}
	}
	return begun
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// suspect keeps that there was a sign of a clone at now, and reports whether it is the first.
func (m *member) suspect(now time.Time) bool {
	first := m.since.IsZero()
	if first {
		m.since = now
	}
	m.sign = now
	return first
}
