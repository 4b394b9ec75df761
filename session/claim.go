package session

// claim is the PdT's book of one slot, the counterpart of the TLA's ledger (docs/protocol.md, section 4). It sends
// nothing and locks nothing.
type claim struct {
	epoch     uint32 // the last one that the TLA told
	seq       uint32 // of the last exchange
	heard     uint32 // of the last exchange that the TLA answered
	promised  uint32 // of the last one that a promise answered after the TLA was asked
	waiting   bool   // the response of seq has not come
	abandoned bool   // and nobody waits for it any more
}

// begin numbers a new exchange; the one before must be over.
func (c *claim) begin() uint32 {
	c.seq++
	c.waiting, c.abandoned = true, false
	return c.seq
}

// abandon gives up waiting for the response, and reports whether it had not come yet.
func (c *claim) abandon() bool {
	c.abandoned = c.waiting
	return c.waiting
}

// took takes note that a promise was at hand for the last exchange: the TLA is told, and answers nothing.
func (c *claim) took() { c.waiting = false }

// answered takes note that a promise answers the last exchange, and reports whether anybody waits for that.
func (c *claim) answered() (wanted bool) {
	c.waiting, c.promised = false, c.seq
	return !c.abandoned
}

// reply says what becomes of a response.
type reply int

const (
	unwanted reply = iota // it answers the exchange outstanding, whose program has gone
	wanted                // it answers the exchange outstanding
	late                  // a promise has answered its exchange
	stray                 // it answers nothing
)

// accept takes a response. Its epoch counts only if the card is still the same: another card, or none, is told by
// inserted and removed, which come later after a resume.
func (c *claim) accept(x exchangeID, o Outcome) reply {
	if x.seq <= c.promised && x.seq > c.heard {
		c.heard = x.seq
		return late
	}
	same := o == Done || o == Failed
	if !c.waiting || x.seq != c.seq || same && !c.advance(x.epoch) {
		return stray
	}
	c.waiting, c.heard = false, x.seq
	if c.abandoned {
		return unwanted
	}
	return wanted
}

// judged reports whether the exchange was for the card that is in, so that the TLA dropped what was promised before.
func (o Outcome) judged() bool { return o != StaleEpoch && o != NoCard }

// advance takes an epoch that the TLA told, and reports whether it does not go back.
func (c *claim) advance(epoch uint32) bool {
	if epoch < c.epoch {
		return false
	}
	c.epoch = epoch
	return true
}

// standing is where a slot stands after a link was lost.
type standing struct {
	pending uint32 // the exchange whose response is awaited, 0 = none
	seq     uint32 // the last one whose program has an answer
	again   bool   // pending must be sent again: the TLA has not received it
	dropped bool   // an abandoned exchange was dropped: the TLA has not received it, and never will
}

// resume compares with the TLA's last number, which may be lower by what promises answered; ok is false when the two do
// not fit.
func (c *claim) resume(lastSeq uint32) (s standing, ok bool) {
	missing := c.waiting && lastSeq < c.seq
	switch {
	case lastSeq < c.heard || lastSeq > c.seq:
		return standing{}, false
	case missing && c.abandoned:
		c.seq--
		c.waiting = false
		return standing{seq: c.seq, dropped: true}, true
	case c.waiting:
		return standing{pending: c.seq, seq: c.seq - 1, again: missing}, true
	}
	return standing{seq: c.seq}, true
}
