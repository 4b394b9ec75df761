package session

// claim is the PdT's book of one slot, the counterpart of the TLA's ledger (docs/protocol.md, section 4). It sends
// nothing and locks nothing.
type claim struct {
	epoch     uint32 // the last one that the TLA told
	seq       uint32 // of the last exchange
	waiting   bool   // its response has not come
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

// accept takes a response. wanted reports whether anybody waits for it; ok is false for a response to nothing. Its
// epoch counts only if the card is still the same: another card, or none, is told by inserted and removed, which come
// later after a resume.
func (c *claim) accept(x exchangeID, o Outcome) (wanted, ok bool) {
	same := o == Done || o == Failed
	if !c.waiting || x.seq != c.seq || same && !c.advance(x.epoch) {
		return false, false
	}
	c.waiting = false
	return !c.abandoned, true
}

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
	again   bool   // it must be sent again: the TLA has not received it
	dropped bool   // an abandoned exchange was dropped: the TLA has not received it, and never will
}

// resume compares with the TLA's last number; ok is false when the two do not fit.
func (c *claim) resume(lastSeq uint32) (s standing, ok bool) {
	missing := c.waiting && lastSeq+1 == c.seq
	switch {
	case missing && c.abandoned:
		c.seq, c.waiting = lastSeq, false
		return standing{dropped: true}, true
	case missing:
		return standing{pending: c.seq, again: true}, true
	case lastSeq != c.seq:
		return standing{}, false
	case c.waiting:
		return standing{pending: c.seq}, true
	}
	return standing{}, true
}
