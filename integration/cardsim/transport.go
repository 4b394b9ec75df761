package cardsim

const (
	chaining   = 0x10 // bit of CLA: more follows
	maxChained = 4096
)

// transport is what a card keeps between the parts of a long command, and of a long response. Its zero value is that
// after a reset.
type transport struct {
	waiting  []byte // for GET RESPONSE
	chain    []byte // data of a chained command so far
	chainINS [3]byte
	chained  bool
}

// unchain collects the parts of a chained command, and reports whether it is whole.
func (x *transport) unchain(a apdu) (whole apdu, done bool, sw uint16) {
	head := [3]byte{a.ins, a.p1, a.p2}
	if x.chained && head != x.chainINS {
		x.chain, x.chained = nil, false
		return a, false, swChainExpected
	}
	if len(x.chain)+len(a.data) > maxChained {
		x.chain, x.chained = nil, false
		return a, false, swWrongLength
	}
	data := append(x.chain, a.data...)
	if a.cla&chaining != 0 {
		x.chain, x.chainINS, x.chained = data, head, true
		return a, false, swOK
	}
	x.chain, x.chained = nil, false
	a.data = data
	return a, true, swOK
}

// give returns a response with up to le bytes and keeps the rest for GET RESPONSE.
func (x *transport) give(data []byte, le int) []byte {
	if len(data) == 0 {
		return status(swConditions)
	}
	n := min(le, len(data))
	if n == len(data) {
		return respond(data, swOK)
	}
	x.waiting = data[n:]
	return respond(data[:n], bytesLeft(len(x.waiting)))
}
