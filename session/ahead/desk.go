package ahead

import (
	"bytes"
	"time"
)

// Desk has the promises that are at hand at the PdT, for the commands that programs give.
type Desk struct {
	window int
	epoch  uint32
	hand   queue

	got     uint32 // GOT: the last promise that came, kept or not
	settled uint32 // SETTLED: up to it, none is open at the TLA
	asked   []byte // the command that the TLA was asked for; nil = none that a promise may answer
	open    bool   // the first promise that comes may answer it

	count Counts
}

// NewDesk returns a desk for promises of at most window at once.
func NewDesk(window int) *Desk { return &Desk{window: min(window, MaxWindow)} }

// Count returns the promises so far; those of no desk are none.
func (d *Desk) Count() Counts {
	if d == nil {
		return Counts{}
	}
	return d.count
}

// Enter takes the slot's epoch; in another one the TLA has dropped the promises of the last, and what was asked in that
// has no other answer than a response.
func (d *Desk) Enter(epoch uint32) {
	if epoch != d.epoch {
		d.Drop()
		d.Answered(true)
		d.epoch = epoch
	}
}

// Take returns the number of the promise that answers a command for the card of an epoch, and the answer, which the
// caller owns; without ok none does, and Ask is next.
func (d *Desk) Take(epoch uint32, command []byte, now time.Time) (number uint32, response []byte, ok bool) {
	d.Expire(now)
	if d.hand.len() == 0 || epoch != d.epoch || !d.hand.list[0].is(command) {
		return 0, nil, false
	}
	p := d.hand.pop()
	clear(p.command)
	d.settled = p.number
	d.count.Taken++
	return p.number, p.response, true
}

// Ask drops what is at hand, since the TLA is asked for something else, and returns GOT. Unless command is nil, the
// first promise that comes may answer it.
func (d *Desk) Ask(epoch uint32, command []byte) (got uint32) {
	none := d.Drop() == 0 && d.got == d.settled
	d.forget()
	if command != nil && epoch == d.epoch {
		d.asked, d.open = bytes.Clone(command), none
	}
	return d.got
}

// Come takes a promise. answer, which the caller owns, is not nil if it answers what was asked. waiting says that
// something was asked whose response has not come. ok is false for a number that cannot be.
func (d *Desk) Come(epoch, number uint32, command, response []byte, waiting bool, now time.Time) (answer []byte,
	ok bool) {
	if number <= d.got {
		return nil, false
	}
	d.got = number
	d.count.Sent++
	if !waiting {
		d.keep(epoch, promise{number: number, command: command, response: response, since: now})
		return nil, true
	}
	if answer = d.answer(epoch, command, response); answer != nil {
		d.count.Taken++
	} else {
		d.count.Dropped++
	}
	return answer, true
}

// answer returns the response if it is that of what was asked; no later promise may answer it.
func (d *Desk) answer(epoch uint32, command, response []byte) []byte {
	fits := d.open && epoch == d.epoch && bytes.Equal(d.asked, command)
	d.open = false
	if !fits {
		return nil
	}
	d.Answered(true)
	return bytes.Clone(response)
}

// keep keeps a copy of a promise. Rather than more than the bounds, it keeps none: GOT tells.
func (d *Desk) keep(epoch uint32, p promise) {
	if epoch != d.epoch || !d.hand.fits(p.size(), d.window) {
		d.Drop()
		d.count.Dropped++
		return
	}
	p.command, p.response = bytes.Clone(p.command), bytes.Clone(p.response)
	d.hand.push(p)
}

// Answered takes note that the response of what was asked has come. If it was judged, and not for a card that is no
// longer there, what was promised before is no longer open.
func (d *Desk) Answered(judged bool) {
	d.forget()
	if judged {
		d.settled = d.got
	}
}

// Drop drops what is at hand, and returns how many there were; GOT tells the TLA. What was asked may still be answered
// by the first promise that comes, and perhaps by nothing else.
func (d *Desk) Drop() (n int) {
	n = d.hand.drop()
	d.count.Dropped += uint64(n)
	return n
}

// Lost drops what is at hand when the link is lost, as the other end does. What was asked is asked again on the next
// link if the TLA has not received it: as if none had been at hand.
func (d *Desk) Lost() {
	d.Drop()
	d.settled, d.open = d.got, d.asked != nil
}

// Expire drops what is at hand if it is too old, and returns when it is to be called again; zero = there is nothing.
func (d *Desk) Expire(now time.Time) time.Duration {
	if d.hand.len() == 0 {
		return 0
	}
	if left := MaxAge - now.Sub(d.hand.list[0].since); left > 0 {
		return left
	}
	d.Drop()
	return 0
}

func (d *Desk) forget() {
	clear(d.asked)
	d.asked, d.open = nil, false
}
