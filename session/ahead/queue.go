package ahead

import "time"

// Bounds of the promises of a slot.
const (
	MaxWindow = 64              // open at once, whatever both hellos say
	MaxOctets = 16 << 10        // of their commands and responses
	MaxAge    = 2 * time.Second // at hand at the PdT

	// MaxOpen is how long the TLA keeps what it has promised: after that, the PdT has dropped it, unless it was on its
	// way for that long.
	MaxOpen = 10 * time.Second
)

// promise is a command that no program has given yet, and its answer.
type promise struct {
	number   uint32
	command  []byte // owned, as is response
	response []byte
	since    time.Time // when it came, or was sent
	wiped    bool      // the response is, which counts all the same
}

func (p *promise) size() int { return len(p.command) + len(p.response) }

func (p *promise) wipe() {
	clear(p.command)
	clear(p.response)
}

// wipeResponse wipes what a card answered; the command, which has no data, still tells what was promised.
func (p *promise) wipeResponse() {
	clear(p.response)
	p.wiped = true
}

func (p *promise) is(command []byte) bool { return string(p.command) == string(command) }

// queue has promises, the oldest first.
type queue struct {
	list   []promise
	octets int
}

func (q *queue) len() int { return len(q.list) }

// fits reports whether a promise of that size may be added.
func (q *queue) fits(size, window int) bool {
	return len(q.list) < window && q.octets+size <= MaxOctets
}

func (q *queue) push(p promise) {
	q.list = append(q.list, p)
	q.octets += p.size()
}

// oldest returns the oldest promise; nil = there is none.
func (q *queue) oldest() *promise {
	if len(q.list) == 0 {
		return nil
	}
	return &q.list[0]
}

// pop takes the oldest out; the caller owns it.
func (q *queue) pop() promise {
	p := q.list[0]
	q.octets -= p.size()
	q.list = append(q.list[:0], q.list[1:]...)
	return p
}

// drop wipes all (EL3), and returns how many there were.
func (q *queue) drop() (n int) {
	for i := range q.list {
		q.list[i].wipe()
	}
	n = len(q.list)
	clear(q.list)
	q.list, q.octets = q.list[:0], 0
	return n
}
