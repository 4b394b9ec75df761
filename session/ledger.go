package session

// ledger is the TLA's book of one slot: its epoch, its last exchange, and the response to that, kept until the next
// exchange (docs/protocol.md, section 4). It executes nothing and locks nothing.
type ledger struct {
	epoch   uint32
	lastSeq uint32
	present bool   // a card is in the slot
	running bool   // lastSeq is being executed
	broken  bool   // the card changed while it ran
	kept    []byte // the response frame of lastSeq, when not running
}

// verdict says what to do with an exchange that arrives.
type verdict int

const (
	execute  verdict = iota // new: execute it, then settle
	replay                  // seen before: send the kept response, if there is one yet
	answer                  // must not be executed: settle with the outcome, which says why
	violated                // the peer broke the numbering
)

// admit judges an exchange; the verdict answer comes with an outcome.
func (l *ledger) admit(x exchangeID) (v verdict, outcome Outcome) {
	switch {
	case x.seq == l.lastSeq && (l.running || len(l.kept) > 0):
		return replay, 0
	case l.running || x.seq != l.lastSeq+1:
		return violated, 0
	}
	l.lastSeq, l.running, l.broken = x.seq, true, false
	wipe(l.kept)
	l.kept = l.kept[:0]
	switch {
	case x.epoch != l.epoch:
		return answer, StaleEpoch
	case !l.present:
		return answer, NoCard
	}
	return execute, 0
}

// settle ends the running exchange and keeps its response frame, which build makes for the present epoch and the
// outcome.
func (l *ledger) settle(outcome Outcome, build func(kept []byte, x exchangeID, o Outcome) []byte) []byte {
	if l.broken && outcome != StaleEpoch && outcome != NoCard {
		outcome = Unknown
	}
	l.running = false
	l.kept = build(l.kept[:0], exchangeID{l.epoch, l.lastSeq}, outcome)
	return l.kept
}

// take takes the number of a command that a promise answered; ok is false when it is not the next one.
func (l *ledger) take(seq uint32) (ok bool) {
	if l.running || seq != l.lastSeq+1 {
		return false
	}
	l.skipTo(seq)
	return true
}

// skipTo goes on from a number whose command needs no response.
func (l *ledger) skipTo(seq uint32) {
	if seq == l.lastSeq {
		return
	}
	l.lastSeq = seq
	wipe(l.kept)
	l.kept = l.kept[:0]
}

// resume compares with the exchange for which the PdT awaits a response after a link was lost (0 = none), and goes on
// from seq, the last one whose program has an answer. again reports whether the kept response must be sent; ok is false
// when the two do not fit.
func (l *ledger) resume(pending, seq uint32) (again, ok bool) {
	if pending == l.lastSeq && pending != 0 {
		return !l.running, l.running || len(l.kept) > 0
	}
	if l.running || seq < l.lastSeq || pending != 0 && pending != seq+1 {
		return false, false
	}
	l.skipTo(seq)
	return false, true
}

// insert and remove open a new epoch, which they return.
func (l *ledger) insert() uint32 { return l.change(true) }
func (l *ledger) remove() uint32 { return l.change(false) }

func (l *ledger) change(present bool) uint32 {
	l.present = present
	l.broken = l.running
	l.epoch++
	return l.epoch
}

// reset opens a new epoch after a reset that the PdT asked for.
func (l *ledger) reset() { l.epoch++ }
