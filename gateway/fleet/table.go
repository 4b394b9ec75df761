// Package fleet knows which programs a gateway's devices run: it finds identities that two programs use (clones), and
// says which versions are too old (docs/protocol.md, section 1.6). It keeps a small record of each identity, and of a
// bounded number of them, in memory alone.
package fleet

import (
	"slices"
	"strings"
	"sync"
	"time"

	"tlagate/pki"
)

// Table has a record of each identity that asked to park or to open since the start.
type Table struct {
	most   int  // records
	refuse bool // clones; else they are told of

	mu   sync.Mutex // protects the rest
	byID map[pki.Identity]*member
}

// New returns a table of at most that many identities; refuse says whether clones are let in no more.
func New(most int, refuse bool) *Table {
	return &Table{most: most, refuse: refuse, byID: map[pki.Identity]*member{}}
}

// Clone says that two programs seem to use one identity.
type Clone struct {
	Identity  pki.Identity
	Since     time.Time // the first sign
	Last      time.Time // the last one
	Instances []string  // the beginnings of their names, newest last
	Refused   bool      // both are refused until Forget
}

// Short returns what is told of an instance: with the whole of it another program could pass for it.
func Short(instance string) string {
	if instance == "" {
		return "none"
	}
	return instance[:min(8, len(instance))]
}

// Refuses reports whether clones are refused.
func (f *Table) Refuses() bool { return f.refuse }

// Asked keeps that a program of an identity asked at now, on a connection made at connected. first reports whether its
// identity is a clone's as of this moment, clone whether it is one's.
func (f *Table) Asked(id pki.Identity, instance string, connected, now time.Time) (first, clone bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.of(id)
	if m == nil {
		return false, false
	}
	first = m.returns(instance, connected, now) && m.suspect(now)
	return first, !m.since.IsZero()
}

// Look keeps which instances of each identity have links at now, and when each was last heard from. It returns the
// identities that are clones' as of this moment, and forgets clones that are only told of after a day without a sign.
func (f *Table) Look(heard map[pki.Identity]map[string]time.Time, now time.Time) []pki.Identity {
	f.mu.Lock()
	defer f.mu.Unlock()
	var found []pki.Identity
	for id, m := range f.byID {
		if m.live(heard[id], now) && m.suspect(now) {
			found = append(found, id)
		}
		if !f.refuse && now.Sub(m.sign) > lapse {
			m.since = time.Time{}
		}
	}
	return found
}

// lapse is how long a clone that is only told of is remembered without a further sign.
const lapse = 24 * time.Hour

// Clones returns the identities that two programs seem to use, by name.
func (f *Table) Clones() []Clone {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []Clone
	for id, m := range f.byID {
		if !m.since.IsZero() {
			all = append(all, Clone{id, m.since, m.sign, m.instances(), f.refuse})
		}
	}
	slices.SortFunc(all, func(a, b Clone) int { return strings.Compare(a.Identity.String(), b.Identity.String()) })
	return all
}

// Remember takes an identity for a clone's since then, as it was before a restart.
func (f *Table) Remember(id pki.Identity, since time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m := f.of(id); m != nil {
		m.since, m.sign = since, since
	}
}

// Forget lets an identity in again, as if none of its programs had been seen, and reports whether it was a clone's.
func (f *Table) Forget(id pki.Identity) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.byID[id]
	if m == nil || m.since.IsZero() {
		return false
	}
	delete(f.byID, id)
	return true
}

// of returns the record of an identity, which it makes. If there are too many, another goes that is no clone's; it
// returns nil if there is none. The caller holds f.mu.
func (f *Table) of(id pki.Identity) *member {
	m := f.byID[id]
	if m != nil {
		return m
	}
	if len(f.byID) >= f.most && !f.forgetOne() {
		return nil
	}
	m = &member{}
	f.byID[id] = m
	return m
}

// forgetOne drops a record that says nothing of a clone. The caller holds f.mu.
func (f *Table) forgetOne() bool {
	for id, m := range f.byID {
		if m.since.IsZero() {
			delete(f.byID, id)
			return true
		}
	}
	return false
}

// Version keeps whether the program of an identity was refused for its version when it last asked.
func (f *Table) Version(id pki.Identity, late bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m := f.of(id); m != nil {
		m.late = late
	}
}

// Late reports whether the program of an identity was too old when it last asked.
func (f *Table) Late(id pki.Identity) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.byID[id]
	return m != nil && m.late
}

// Count returns how many identities are taken for clones, and of each role how many have a program that is too old.
func (f *Table) Count() (clones int, late map[pki.Role]int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	late = map[pki.Role]int{}
	for id, m := range f.byID {
		if !m.since.IsZero() {
			clones++
		}
		if m.late {
			late[id.Role]++
		}
	}
	return clones, late
}

// Came returns the instance of an identity that came last, and when each that is known did first.
func (f *Table) Came(id pki.Identity) (latest string, came map[string]time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.byID[id]
	if m == nil {
		return "", nil
	}
	came = map[string]time.Time{m.latest: m.came}
	for _, p := range m.earlier {
		came[p.name] = p.until.Add(-p.last)
	}
	return m.latest, came
}
