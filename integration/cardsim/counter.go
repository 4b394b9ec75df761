package cardsim

import (
	"encoding/binary"
	"time"
)

// The counting command, proprietary: CLA INS, in P1 P2 how many milliseconds the card takes, four octets of serial
// number; the response is that number, then how often the card has now executed it, four octets each. Integers are
// big-endian.
const (
	claCount    = 0x80
	insCount    = 0xCE
	countLength = 4
	// CountResponse is the length of the response to a counting command, without its status word.
	CountResponse = 2 * countLength
)

// CountCommand is the command APDU with a serial number that takes the card so many milliseconds.
func CountCommand(serial uint32, takes time.Duration) []byte {
	ms := uint16(takes.Milliseconds())
	apdu := []byte{claCount, insCount, byte(ms >> 8), byte(ms), countLength}
	return append(binary.BigEndian.AppendUint32(apdu, serial), CountResponse)
}

// Counter is a Vitale that counts: it has one command more (see CountCommand), and a memory for each, which no reset
// and no loss of power clears. It tells a command that was executed twice, or never, from one that was executed once.
type Counter struct {
	*Vitale
	// Began, when not nil, is called with the serial number before a counting command is executed. Set before the card
	// is inserted.
	Began func(serial uint32)

	times map[uint32]int // protected by Vitale.mu, as is ran
	ran   []uint32
}

// NewCounter makes one.
func NewCounter(cfg VitaleConfig) *Counter {
	return &Counter{Vitale: NewVitale(cfg), times: map[uint32]int{}}
}

// Ran gives the serial numbers of the counting commands executed, in order.
func (c *Counter) Ran() []uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]uint32(nil), c.ran...)
}

// Times is how often the card executed the counting command of a serial number.
func (c *Counter) Times(serial uint32) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.times[serial]
}

// Process implements [Card].
func (c *Counter) Process(cmd []byte) []byte {
	a, sw := parse(cmd)
	if sw != swOK || a.cla != claCount || a.ins != insCount {
		return c.Vitale.Process(cmd)
	}
	resp := c.run(a)
	c.executed(cmd, resp)
	return resp
}

func (c *Counter) run(a apdu) []byte {
	if len(a.data) != countLength || a.le != CountResponse {
		return status(swWrongLength)
	}
	serial := binary.BigEndian.Uint32(a.data)
	if c.Began != nil {
		c.Began(serial)
	}
	time.Sleep(time.Duration(a.p1)<<8*time.Millisecond + time.Duration(a.p2)*time.Millisecond)
	answer := binary.BigEndian.AppendUint32(nil, serial)
	return respond(binary.BigEndian.AppendUint32(answer, uint32(c.tally(serial))), swOK)
}

func (c *Counter) tally(serial uint32) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.times[serial]++
	c.ran = append(c.ran, serial)
	return c.times[serial]
}
