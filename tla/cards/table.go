package cards

import (
	"fmt"
	"slices"

	"tlagate/session"
	"tlagate/tla/cards/internal/pcsc"
)

// Insertion is one stay of one card in one reader. The zero value is no card.
type Insertion struct {
	Number  uint64 // unique; rises with every card that comes in
	Kind    Kind
	ATR     string // upper-case hexadecimal
	Slot    session.Slot
	Usable  bool   // its kind has a slot
	HasSlot bool   // and it is the occupant of that slot
	counter uint32 // of PC/SC events, when it came in
}

// Occupant is the card that a slot shows.
type Occupant struct {
	Reader string
	Insertion
}

// watched is one reader of the table.
type watched struct {
	reader string
	state  uint32     // as last seen
	card   *Insertion // nil: empty
}

// table has all readers, in the order of PC/SC.
type table struct {
	readers []watched
	last    uint64 // number of the last insertion
}

// follow takes in the list of readers; the card of a reader that is gone is gone, too.
func (t *table) follow(names []string) {
	readers := make([]watched, len(names))
	for i, name := range names {
		readers[i].reader = name
		if old := t.find(name); old != nil {
			readers[i] = *old
		}
	}
	t.readers = readers
}

func (t *table) find(reader string) *watched {
	i := slices.IndexFunc(t.readers, func(w watched) bool { return w.reader == reader })
	if i < 0 {
		return nil
	}
	return &t.readers[i]
}

// looks returns what was last seen of each reader.
func (t *table) looks() []pcsc.Look {
	looks := make([]pcsc.Look, len(t.readers))
	for i, w := range t.readers {
		looks[i] = pcsc.Look{Reader: w.reader, Seen: w.state}
	}
	return looks
}

// apply takes in what is seen now.
func (t *table) apply(looks []pcsc.Look) {
	for _, l := range looks {
		if w := t.find(l.Reader); w != nil {
			t.see(w, l)
		}
	}
}

func (t *table) see(w *watched, l pcsc.Look) {
	w.state = l.Event
	switch {
	case l.Event&(pcsc.Unknown|pcsc.Unavailable) != 0 || l.Event&pcsc.Present == 0:
		w.card = nil
	case w.card == nil || w.card.changed(l):
		t.last++
		w.card = newInsertion(t.last, l)
	}
}

// changed reports whether another card than i is in the reader: the counter shows that even if there was a card at both
// looks. A powered-down card may show no ATR, and is the same card.
func (i *Insertion) changed(l pcsc.Look) bool {
	if l.Event>>pcsc.CounterShift != i.counter {
		return true
	}
	kind, _, _ := identify(l.ATR)
	return kind != i.Kind && len(l.ATR) != 0
}

func newInsertion(number uint64, l pcsc.Look) *Insertion {
	i := &Insertion{Number: number, counter: l.Event >> pcsc.CounterShift, ATR: fmt.Sprintf("%X", l.ATR)}
	i.Kind, i.Slot, i.Usable = identify(l.ATR)
	return i
}

// settled reports whether it is known of every reader what is in it.
func (t *table) settled() bool { return !slices.ContainsFunc(t.readers, watched.unsettled) }

// unsettled reports whether the reader was not looked at, or its card has not answered yet and is not mute.
func (w watched) unsettled() bool {
	return w.state == 0 || w.card != nil && w.card.ATR == "" && w.state&pcsc.Mute == 0
}

// occupants returns, for each slot, the card of its role that has been in longest.
func (t *table) occupants() (o [session.Slots]*Occupant) {
	for _, w := range t.readers {
		if w.card == nil || !w.card.Usable {
			continue
		}
		if first := o[w.card.Slot]; first == nil || w.card.Number < first.Number {
			o[w.card.Slot] = &Occupant{w.reader, *w.card}
		}
	}
	return o
}
