package ahead

import (
	"bytes"
	"slices"
)

// Clone returns a copy, for models that explore every order of events: it has counted nothing.
func (d *Desk) Clone() *Desk {
	c := *d
	c.count = Counts{}
	c.hand.list, c.asked = slices.Clone(d.hand.list), bytes.Clone(d.asked)
	c.hand.own()
	return &c
}

// Clone returns a copy, for models that explore every order of events: it promises as much as it may, and no miss
// counts.
func (p *Promiser) Clone() *Promiser {
	c := Promiser{most: p.most, window: p.most, open: p.open, last: p.last, under: p.under, fate: p.fate}
	c.open.list = slices.Clone(p.open.list)
	c.open.own()
	return &c
}

// AtHand returns how many promises are at hand.
func (d *Desk) AtHand() int { return d.hand.len() }

// Held returns the octets of the responses that are at hand, for tests of their wiping.
func (d *Desk) Held() [][]byte { return d.hand.responses() }

// Held returns the octets of the responses that are open, for tests of their wiping.
func (p *Promiser) Held() [][]byte { return p.open.responses() }

func (q *queue) responses() (list [][]byte) {
	for _, p := range q.list {
		list = append(list, p.response)
	}
	return list
}

// own makes the octets of a copied list its own.
func (q *queue) own() {
	for i := range q.list {
		q.list[i].command, q.list[i].response = bytes.Clone(q.list[i].command), bytes.Clone(q.list[i].response)
	}
}
