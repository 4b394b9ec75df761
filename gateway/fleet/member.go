package fleet

import (
	"slices"
	"time"
)

// member is the record of one identity.
type member struct {
	late    bool      // its program was too old when it last asked
	asked   bool      // an instance is known
	latest  string    // the instance that came last
	came    time.Time // when it did first
	earlier []string  // those before it, at most maxEarlier, oldest first
	rivals  []string  // instances that have links beside each other, sorted
	beside  time.Time // since when
	since   time.Time // when it was first taken for a clone; zero = it is not
	sign    time.Time // when it was last
}

// maxEarlier bounds how many earlier instances of an identity are known.
const maxEarlier = 4

func (m *member) instances() []string {
	var list []string
	for _, name := range append(slices.Clip(m.earlier), m.latest) {
		list = append(list, Short(name))
	}
	return list
}

// returns keeps that an instance asked at now, on a connection made at connected, and reports whether it came back
// after another: two processes use one identity.
func (m *member) returns(instance string, connected, now time.Time) bool {
	switch {
	case !m.asked:
		m.asked = true
	case instance == m.latest:
		return false
	case slices.Contains(m.earlier, instance):
		return connected.After(m.came)
	default:
		m.earlier = append(m.earlier, m.latest)
		m.earlier = m.earlier[max(0, len(m.earlier)-maxEarlier):]
	}
	m.latest, m.came = instance, now
	return false
}

// bothAnswer is how long two instances have links beside each other until that is a clone: a link that answers nothing
// is gone long before.
const bothAnswer = time.Minute

// live keeps which instances have links at now, and when each was last heard from, and reports whether two of them have
// answered for long enough.
func (m *member) live(heard map[string]time.Time, now time.Time) bool {
	names, last := make([]string, 0, len(heard)), now
	for name, at := range heard {
		names = append(names, name)
		if at.Before(last) {
			last = at
		}
	}
	slices.Sort(names)
	if len(names) < 2 || !slices.Equal(names, m.rivals) {
		m.rivals, m.beside = names, now
		return false
	}
	return last.Sub(m.beside) >= bothAnswer
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
