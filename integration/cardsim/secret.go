package cardsim

import "bytes"

const (
	maxTries   = 3
	secretSize = 8 // padded with FF
	pinRef     = 0x80
)

// secret is a PIN or PUK with its retry counter.
type secret struct {
	value []byte
	tries int
}

func newSecret(digits string) secret { return secret{pad(digits), maxTries} }

func pad(digits string) []byte {
	padded := bytes.Repeat([]byte{0xFF}, secretSize)
	copy(padded, digits)
	return padded
}

// try compares a candidate, counts it if it is wrong, and returns the status word.
func (s *secret) try(candidate []byte) uint16 {
	if s.tries == 0 {
		return swBlocked
	}
	if bytes.Equal(candidate, s.value) {
		s.tries = maxTries
		return swOK
	}
	s.tries--
	return s.triesLeft()
}

func (s *secret) triesLeft() uint16 {
	if s.tries == 0 {
		return swBlocked
	}
	return swTriesLeft | uint16(s.tries)
}

// verify answers VERIFY: without data a probe, with P1=FF a log-out.
func (c *CPS) verify(a apdu) uint16 {
	switch {
	case a.p2 != pinRef:
		return swNoReference
	case a.p1 == 0xFF && len(a.data) == 0:
		c.verified = false
		return swOK
	case a.p1 != 0:
		return swWrongP1P2
	case len(a.data) == 0 && c.verified:
		return swOK
	case len(a.data) == 0:
		return c.pin.triesLeft()
	case len(a.data) != secretSize:
		return swBadData
	}
	sw := c.pin.try(a.data)
	c.verified, c.fresh = sw == swOK, sw == swOK
	return sw
}

// change answers CHANGE REFERENCE DATA: old PIN, then new.
func (c *CPS) change(a apdu) uint16 {
	if sw := wellFormedPair(a); sw != swOK {
		return sw
	}
	sw := c.pin.try(a.data[:secretSize])
	c.verified = sw == swOK
	if sw == swOK {
		c.pin.value = bytes.Clone(a.data[secretSize:])
	}
	return sw
}

// resetCounter answers RESET RETRY COUNTER: PUK, then new PIN.
func (c *CPS) resetCounter(a apdu) uint16 {
	if sw := wellFormedPair(a); sw != swOK {
		return sw
	}
	sw := c.puk.try(a.data[:secretSize])
	if sw == swOK {
		c.pin = secret{bytes.Clone(a.data[secretSize:]), maxTries}
	}
	return sw
}

func wellFormedPair(a apdu) uint16 {
	switch {
	case a.p1 != 0:
		return swWrongP1P2
	case a.p2 != pinRef:
		return swNoReference
	case len(a.data) != 2*secretSize:
		return swBadData
	}
	return swOK
}
