package tla

import (
	"fmt"
	"slices"

	"tlagate/session"
)

// insertion is one stay of one card in one reader.
type insertion struct {
	number  uint64 // unique, rising with every card seen to come in
	counter uint32 // of PC/SC events, when it came in
	kind    Kind
	atr     string // upper-case hexadecimal
	slot    session.Slot
	usable  bool // its kind has a slot
	seated  bool // and it has the slot
}

// seat is the card that a slot shows.
type seat struct {
	reader string
	insertion
}

// place is one reader of the table.
type place struct {
	reader string
	state  uint32     // as last seen
	card   *insertion // nil: empty
}

// table is all readers, in the order of PC/SC.
type table struct {
	places []place
	last   uint64 // number of the last insertion
}

// keep follows the list of readers; those that are gone take their card with them.
func (t *table) keep(names []string) {
	places := make([]place, len(names))
	for i, name := range names {
		places[i].reader = name
		if old := t.find(name); old != nil {
			places[i] = *old
		}
	}
	t.places = places
}

func (t *table) find(reader string) *place {
	i := slices.IndexFunc(t.places, func(p place) bool { return p.reader == reader })
	if i < 0 {
		return nil
	}
	return &t.places[i]
}

// looks says what was last seen of each reader.
func (t *table) looks() []look {
	looks := make([]look, len(t.places))
	for i, p := range t.places {
		looks[i] = look{reader: p.reader, seen: p.state}
	}
	return looks
}

// apply takes in what is seen now.
func (t *table) apply(looks []look) {
	for _, l := range looks {
		if p := t.find(l.reader); p != nil {
			t.see(p, l)
		}
	}
}

func (t *table) see(p *place, l look) {
	p.state = l.event
	switch {
	case l.event&(stateUnknown|stateUnavailable) != 0 || l.event&statePresent == 0:
		p.card = nil
	case p.card == nil || p.card.changed(l):
		t.last++
		p.card = newInsertion(t.last, l)
	}
}

// changed tells whether the card is another one than the one that came in: the counter says so even when
// both were there at the two looks. A powered-down card may show no ATR and is the same card.
func (i *insertion) changed(l look) bool {
	if l.event>>counterShift != i.counter {
		return true
	}
	kind, _, _ := identify(l.atr)
	return kind != i.kind && len(l.atr) != 0
}

func newInsertion(number uint64, l look) *insertion {
	i := &insertion{number: number, counter: l.event >> counterShift, atr: fmt.Sprintf("%X", l.atr)}
	i.kind, i.slot, i.usable = identify(l.atr)
	return i
}

// seats gives each slot the card of its role that has been there longest.
func (t *table) seats() (s [session.Slots]*seat) {
	for _, p := range t.places {
		if p.card == nil || !p.card.usable {
			continue
		}
		if first := s[p.card.slot]; first == nil || p.card.number < first.number {
			s[p.card.slot] = &seat{p.reader, *p.card}
		}
	}
	return s
}
