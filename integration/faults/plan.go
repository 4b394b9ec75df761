package faults

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Shape bounds what a Plan draws.
type Shape struct {
	Kinds  []Kind        // with equal chances; one that is listed twice comes twice as often
	Octets [2]int        // by direction: a fault comes after 1 to so many octets
	Stall  time.Duration // longest
	Thens  []Admission   // likewise; nil = Accept
}

// Plan draws faults from a seed: the same seed and shape give the same faults.
type Plan struct {
	Seed   uint64
	shape  Shape
	random *rand.Rand
	drawn  int
	count  map[Kind]int
}

// NewPlan returns the plan of a seed.
func NewPlan(seed uint64, s Shape) *Plan {
	if len(s.Thens) == 0 {
		s.Thens = []Admission{Accept}
	}
	return &Plan{Seed: seed, shape: s, random: rand.New(rand.NewPCG(seed, 0)), count: map[Kind]int{}}
}

// Next returns the next fault.
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

// IntN returns a number below n, for choices of a test that belong to the plan.
func (p *Plan) IntN(n int) int { return p.random.IntN(n) }

// String returns the seed, and how many of each kind were drawn.
func (p *Plan) String() string {
	text := fmt.Sprintf("seed %d, %d faults", p.Seed, p.drawn)
	for kind, name := range kindNames {
		if n := p.count[Kind(kind)]; n > 0 {
			text += fmt.Sprintf(", %d %s", n, name)
		}
	}
	return text
}
