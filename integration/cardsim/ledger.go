package cardsim

import "sync"

// maxHistory bounds what a card remembers of its exchanges.
const maxHistory = 8192

// Counts is what has happened to a card since it was made.
type Counts struct {
	Commands  int // command APDUs executed, whatever their status word
	PowerOns  int // cold resets
	PowerOffs int // by command, or by removal
	Resets    int // warm resets
}

// Exchange is what a card remembers of a command, which is never its data.
type Exchange struct {
	CLA, INS, P1, P2 byte
	DataLength       int // of the command's data field
	Le               int // 0: none; 256 for a Le of 00
	Status           uint16
}

// ledger counts for a card. The zero value is ready.
type ledger struct {
	mu      sync.Mutex // protects the rest
	counts  Counts
	history []Exchange // the last maxHistory
}

// Counts returns what has happened so far. It may be called at any time.
func (l *ledger) Counts() Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counts
}

// History returns the last exchanges (at most 8192), oldest first.
func (l *ledger) History() []Exchange {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Exchange(nil), l.history...)
}

func (l *ledger) count(which func(*Counts)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	which(&l.counts)
}

func (l *ledger) executed(cmd, resp []byte) {
	e := Exchange{Status: uint16(resp[len(resp)-2])<<8 | uint16(resp[len(resp)-1])}
	if a, sw := parse(cmd); sw == swOK {
		e.CLA, e.INS, e.P1, e.P2, e.DataLength = a.cla, a.ins, a.p1, a.p2, len(a.data)
		e.Le = a.le
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts.Commands++
	if len(l.history) == maxHistory {
		l.history = append(l.history[:0], l.history[1:]...)
	}
	l.history = append(l.history, e)
}
