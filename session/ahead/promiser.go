package ahead

import (
	"bytes"
	"math"
	"time"
)

const (
	firstWindow = 2
	growth      = 2 // for each promise taken
	maxMisses   = 3 // in an insertion
	insSelect   = 0xA4
)

// Promiser has the promises that are open at the TLA, and says what becomes of commands and predictions.
type Promiser struct {
	most   int // promises at once, as both ends agreed
	window int // at present
	open   queue
	last   uint32 // number of the last promise

	under []byte // the prediction at the card; nil = none
	fate  Fate   // what becomes of its answer

	took   bool // a command took something since another one wanted something else
	misses int  // since the insertion, or since they were too many
	off    bool // they are too many
	rests  bool // no prediction until a program gives another command
	count  Counts
}

// Counts counts promises, and predictions that became none.
type Counts struct {
	Sent    uint64 `json:"sent"`
	Taken   uint64 `json:"taken"`   // by a command of a program
	Dropped uint64 `json:"dropped"` // executed, and nobody wanted it
}

// Read returns how many answers there were at least: some were dropped before they could be sent.
func (c Counts) Read() uint64 { return max(c.Sent, c.Taken+c.Dropped) }

// Plus returns the sum of both.
func (c Counts) Plus(o Counts) Counts {
	return Counts{c.Sent + o.Sent, c.Taken + o.Taken, c.Dropped + o.Dropped}
}

// Fate is what becomes of the answer of a prediction.
type Fate int

// The fates.
const (
	Promised Fate = iota // it is sent as a promise
	Awaited              // a program has given the command meanwhile: it is the command's response
	Dropped              // nobody gets it
)

// Verdict says how a command of a program is answered.
type Verdict int

// The verdicts.
const (
	Execute Verdict = iota // by the card
	Kept                   // by a promise that is on its way: the response is kept, and not sent
	Await                  // by the prediction that is at the card
)

// NewPromiser returns a promiser that has at most window promises open.
func NewPromiser(window int) *Promiser {
	return &Promiser{most: min(window, MaxWindow), window: min(window, firstWindow)}
}

// Count returns the promises so far; those of no promiser are none.
func (p *Promiser) Count() Counts {
	if p == nil {
		return Counts{}
	}
	return p.count
}

// Open returns how many promises are open.
func (p *Promiser) Open() int { return p.open.len() }

// Unsure reports whether a promise that is on its way answers a command that the PdT asks for after it got the promise
// of that number, though its answer is wiped: then only the next link can tell whether the PdT has it.
func (p *Promiser) Unsure(got uint32, command []byte) bool {
	oldest := p.open.oldest()
	return oldest != nil && oldest.wiped && oldest.number > got && oldest.is(command)
}

// Asked judges a command that the PdT asks for after it got the promise of that number, unless that is Unsure;
// response, which the caller owns, is that of Kept.
func (p *Promiser) Asked(got uint32, command []byte) (v Verdict, response []byte) {
	p.rests = false
	oldest := p.open.oldest()
	if oldest != nil && oldest.number > got && oldest.is(command) && !oldest.wiped {
		return Kept, p.take().response
	}
	if p.open.len() == 0 && p.under != nil && p.fate == Promised && bytes.Equal(p.under, command) {
		p.fate = Awaited
		p.grow()
		return Await, nil
	}
	p.judge(command)
	p.Drop()
	return Execute, nil
}

// judge makes the window small when a program wants something else than was promised. If it took none of it, that is a
// miss; after too many, predictions begin again with a SELECT.
func (p *Promiser) judge(command []byte) {
	selects := len(command) > 1 && command[1] == insSelect
	right := p.open.len() == 0 && (p.under == nil || p.fate != Promised) ||
		p.open.len() > 0 && p.open.list[0].is(command) // the PdT had dropped it
	switch {
	case p.off && selects:
		p.off, p.misses = false, 0
	case !right && !p.took:
		p.misses++
		p.off = p.off || p.misses >= maxMisses
	}
	if !right {
		p.window, p.took = min(firstWindow, p.most), false
	}
}

// Taken notes that a command took the promise of that number, and returns the promise, which the caller owns, without
// response if that is wiped; ok is false if it is not open.
func (p *Promiser) Taken(number uint32) (command, response []byte, ok bool) {
	p.rests = false
	for p.open.len() > 0 && p.open.list[0].number < number { // the PdT has dropped them
		old := p.open.pop()
		old.wipe()
		p.count.Dropped++
	}
	if p.open.len() == 0 || p.open.list[0].number != number {
		return nil, nil, false
	}
	taken := p.take()
	if taken.wiped {
		taken.response = nil
	}
	return taken.command, taken.response, true
}

// take takes the oldest promise out for the command that it answers.
func (p *Promiser) take() promise {
	p.count.Taken++
	p.grow()
	return p.open.pop()
}

func (p *Promiser) grow() { p.window, p.took = min(p.window+growth, p.most), true }

// May reports whether a prediction may begin that has at most so many octets with its answer: what there is no room for
// would be executed for nobody.
func (p *Promiser) May(octets int) bool {
	return !p.off && !p.rests && p.under == nil && p.last < math.MaxUint32 && p.open.fits(octets, p.window)
}

// Begin notes that the card executes a prediction, which may not be changed meanwhile.
func (p *Promiser) Begin(command []byte) { p.under, p.fate = command, Promised }

// End notes that the prediction has ended, with a response unless that is nil. If it is Promised, it has that number
// and copies are kept.
func (p *Promiser) End(response []byte, now time.Time) (number uint32, fate Fate) {
	command, fate := p.under, p.fate
	p.under = nil
	next := promise{number: p.last + 1, command: command, response: response, since: now}
	if fate == Promised && (response == nil || !p.open.fits(next.size(), p.window)) {
		fate, p.rests = Dropped, true
	}
	if fate == Dropped && response != nil {
		p.count.Dropped++
	}
	if fate != Promised {
		return 0, fate
	}
	p.last++
	p.count.Sent++
	next.command, next.response = bytes.Clone(command), bytes.Clone(response)
	p.open.push(next)
	return next.number, Promised
}

// Expire wipes the answers of promises that are open for too long (EL3), and returns when it is to be called again;
// zero = there is nothing. They stay open, and make no room: nobody has asked for more.
func (p *Promiser) Expire(now time.Time) time.Duration {
	for i := range p.open.list {
		one := &p.open.list[i]
		if left := MaxOpen - now.Sub(one.since); left > 0 {
			return left
		}
		one.wipeResponse()
	}
	return 0
}

// Drop drops what is open, and what a prediction at the card will answer, unless a command awaits that.
func (p *Promiser) Drop() {
	p.count.Dropped += uint64(p.open.drop())
	if p.fate == Promised {
		p.fate = Dropped
	}
}

// Insert begins anew with another card.
func (p *Promiser) Insert() {
	p.Drop()
	p.misses, p.off, p.rests, p.took = 0, false, false, false
	p.window = min(firstWindow, p.most)
}
