package faults

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Shape bounds what a Plan draws.
type Shape struct {
	Kinds  []Kind        // drawn alike; one that is named twice comes twice as often
	Octets [2]int        // by direction: faults come after 1 to so many
	Stall  time.Duration // longest
	Thens  []Admission   // drawn alike; nil = Accept
}

// Plan draws faults from a seed: the same seed and shape give the same faults.
type Plan struct {
	Seed   uint64
	shape  Shape
	random *rand.Rand
	drawn  int
	count  map[Kind]int
}

// NewPlan makes a plan.
func NewPlan(seed uint64, s Shape) *Plan {
	if len(s.Thens) == 0 {
		s.Thens = []Admission{Accept}
	}
	return &Plan{Seed: seed, shape: s, random: rand.New(rand.NewPCG(seed, 0)), count: map[Kind]int{}}
}

// Next draws a fault.
func (p *Plan) Next() Fault {
	way := Direction(p.random.IntN(2))
	f := Fault{
		Kind:  p.shape.Kinds[p.random.IntN(len(p.shape.Kinds))],
		Way:   way,
		After: 1 + p.random.IntN(p.shape.Octets[way]),
		Then:  p.shape.Thens[p.random.IntN(len(p.shape.Thens))],
	}
	if f.Kind == Stall && p.shape.Stall > 0 {
		f.For = time.Duration(1 + p.random.Int64N(int64(p.shape.Stall)))
	}
	p.drawn++
	p.count[f.Kind]++
	return f
}

// IntN draws a number below n, for choices that belong to the plan.
func (p *Plan) IntN(n int) int { return p.random.IntN(n) }

// String tells the seed, and what was drawn of each kind.
func (p *Plan) String() string {
	text := fmt.Sprintf("seed %d, %d faults", p.Seed, p.drawn)
	for kind, name := range kindNames {
		if n := p.count[Kind(kind)]; n > 0 {
			text += fmt.Sprintf(", %d %s", n, name)
		}
	}
	return text
}
