package cardsim

import (
	"encoding/binary"
	"time"
)

// The counting command is proprietary. P1 P2 is how many milliseconds the card takes, the data is a serial number; the
// response is that number, and how often the card has executed it, this time included. Both have four octets; all
// integers are big-endian.
const (
	claCount    = 0x80
	insCount    = 0xCE
	countLength = 4
	// CountResponse is the length of the response to a counting command, without its status word.
	CountResponse = 2 * countLength
)

// CountCommand returns the counting command with a serial number, which takes the card so long.
func CountCommand(serial uint32, takes time.Duration) []byte {
	ms := uint16(takes.Milliseconds())
	apdu := []byte{claCount, insCount, byte(ms >> 8), byte(ms), countLength}
	return append(binary.BigEndian.AppendUint32(apdu, serial), CountResponse)
}

// Counter is a Vitale that counts: it has one more command (see [CountCommand]), and remembers each that it executed,
// through resets and losses of power. It shows whether a command was executed once, twice, or never.
type Counter struct {
	*Vitale
	// Began is called with the serial number before a counting command is executed; nil = nobody. Set it before the
	// card is inserted.
	Began func(serial uint32)

	times map[uint32]int // protected by Vitale.mu, as is ran
	ran   []uint32
}

// NewCounter returns a Counter that has executed nothing.
func NewCounter(cfg VitaleConfig) *Counter {
	return &Counter{Vitale: NewVitale(cfg), times: map[uint32]int{}}
}

// Ran returns the serial numbers of the counting commands that were executed, in order.
func (c *Counter) Ran() []uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]uint32(nil), c.ran...)
}

// Times returns how often the card executed the counting command with a serial number.
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
