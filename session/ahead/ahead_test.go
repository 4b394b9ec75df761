package ahead

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// promised has a promiser predict as much as it may of what read returns, from n on, and returns what comes after.
func promised(t require.TestingT, p *Promiser, n byte) byte {
	for p.May(0) {
		p.Begin(read(n))
		_, fate := p.End([]byte{n, 0x90, 0}, time.Time{})
		require.Equal(t, Promised, fate)
		n++
	}
	return n
}

func read(n byte) []byte { return []byte{0, 0xB0, 0, n, 1} }

var choose = []byte{0, 0xA4, 0, 0}

// TestWindow: it begins at two, grows by two with each promise taken up to what was agreed, and is two again after a
// command that was not expected, and with another card; not after a reset.
func TestWindow(t *testing.T) {
	p := NewPromiser(7)
	require.EqualValues(t, 2, promised(t, p, 0))
	_, _, ok := p.Taken(1)
	require.True(t, ok)
	require.EqualValues(t, 5, promised(t, p, 2), "one was taken: four are open")
	v, _ := p.Asked(1, read(1))
	require.Equal(t, Kept, v)
	_, _, ok = p.Taken(3)
	require.True(t, ok)
	require.EqualValues(t, 10, promised(t, p, 5), "as many as agreed, and no more")
	p.Drop()
	require.EqualValues(t, 17, promised(t, p, 10))
	v, _ = p.Asked(99, choose)
	require.Equal(t, Execute, v)
	require.EqualValues(t, 2, promised(t, p, 0))
	p.Insert()
	require.EqualValues(t, 2, promised(t, p, 0))
	require.Equal(t, Counts{Sent: p.count.Sent, Taken: 3, Dropped: p.count.Sent - 3 - 2}, p.Count())
}

// TestMisses: after three times of no use, nothing is predicted until the next SELECT; what was of some use is no miss.
func TestMisses(t *testing.T) {
	p := NewPromiser(8)
	for range 5 {
		n := promised(t, p, 0)
		_, _, ok := p.Taken(p.last - uint32(n) + 1)
		require.True(t, ok)
		p.Asked(p.last, choose)
		require.True(t, p.May(0))
	}
	for range maxMisses {
		require.True(t, p.May(0))
		promised(t, p, 0)
		p.Asked(p.last, choose)
	}
	require.False(t, p.May(0))
	p.Asked(p.last, read(9))
	require.False(t, p.May(0))
	p.Asked(p.last, choose)
	require.True(t, p.May(0))
	for range maxMisses {
		promised(t, p, 0)
		p.Asked(p.last, read(50))
	}
	require.False(t, p.May(0))
	p.Insert()
	require.True(t, p.May(0))
}

// TestRests: a prediction that failed, or has no room, ends predictions until a program gives another command.
func TestRests(t *testing.T) {
	p := NewPromiser(8)
	p.Begin(read(0))
	_, fate := p.End(nil, time.Time{})
	require.Equal(t, Dropped, fate)
	require.False(t, p.May(0))
	p.Asked(0, read(0))
	require.True(t, p.May(0))
	p.Begin(read(1))
	_, fate = p.End(make([]byte, MaxOctets), time.Time{})
	require.Equal(t, Dropped, fate)
	require.False(t, p.May(0))
}

// TestNumbersEnd: there is no number after the last, and none is taken twice.
func TestNumbersEnd(t *testing.T) {
	p := NewPromiser(8)
	p.last = math.MaxUint32 - 1
	promised(t, p, 0)
	require.EqualValues(t, math.MaxUint32, p.last)
	require.False(t, p.May(0))
}

// TestRoom: nothing begins whose answer there is no room for; what is refused before it is executed counts for nothing.
func TestRoom(t *testing.T) {
	p := NewPromiser(8)
	require.True(t, p.May(MaxOctets))
	require.False(t, p.May(MaxOctets+1))
	p.Begin(read(0))
	p.End(make([]byte, 99), time.Time{})
	require.False(t, p.May(MaxOctets-100))
	p.Begin(read(1))
	p.End(nil, time.Time{})
	require.Zero(t, p.Count().Dropped)
}

// TestExpire: what is at hand for too long is dropped, also if nobody asks.
func TestExpire(t *testing.T) {
	d, now := NewDesk(8), time.Now()
	d.Enter(1)
	_, ok := d.Come(1, 1, read(0), []byte{0x90, 0}, false, now)
	require.True(t, ok)
	require.Equal(t, MaxAge, d.Expire(now))
	require.Equal(t, time.Nanosecond, d.Expire(now.Add(MaxAge-1)))
	held := d.Held()[0]
	require.Zero(t, d.Expire(now.Add(MaxAge)))
	require.Zero(t, d.AtHand())
	require.Equal(t, []byte{0, 0}, held, "EL3")
	require.EqualValues(t, 1, d.Ask(1, read(0)), "GOT tells")
	_, _ = d.Come(1, 2, read(0), []byte{0x90, 0}, true, now)
	d.Answered(true)
	_, _ = d.Come(1, 3, read(0), []byte{0x90, 0}, false, now)
	_, _, ok = d.Take(1, read(0), now.Add(MaxAge))
	require.False(t, ok)
}

// TestBounds: whatever comes, neither end has more than was agreed, nor more than 16 KiB.
func TestBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		window := rapid.IntRange(1, MaxWindow+9).Draw(t, "window")
		p, d, now := NewPromiser(window), NewDesk(window), time.Now()
		for number := uint32(1); number < 200; number++ {
			response := make([]byte, rapid.SampledFrom([]int{2, 100, 2000, 20000}).Draw(t, "octets"))
			if p.May(0) {
				p.Begin(read(byte(number)))
				p.End(response, time.Time{})
			} else if rapid.Bool().Draw(t, "take") && p.open.len() > 0 {
				p.Taken(p.open.list[0].number)
			} else {
				p.Asked(0, choose)
			}
			d.Come(0, number, read(byte(number)), response, false, now)
			for _, q := range []*queue{&p.open, &d.hand} {
				total := 0
				for _, one := range q.list {
					total += one.size()
				}
				require.Equal(t, total, q.octets)
				require.LessOrEqual(t, total, MaxOctets)
				require.LessOrEqual(t, q.len(), min(window, MaxWindow))
			}
		}
	})
}

// TestEL3OpenPromisesAreWiped after a while; they stay open, so that a take is known, and make no room for more.
func TestEL3OpenPromisesAreWiped(t *testing.T) {
	p, now := NewPromiser(8), time.Now()
	for n := range byte(2) {
		p.Begin(read(n))
		p.End([]byte{n, 0x90, 0}, now.Add(time.Duration(n)*time.Second))
	}
	held := p.Held()
	require.Equal(t, MaxOpen, p.Expire(now))
	require.Equal(t, time.Second, p.Expire(now.Add(MaxOpen)), "the second is younger")
	require.Equal(t, [][]byte{{0, 0, 0}, {1, 0x90, 0}}, held)
	require.Equal(t, 2, p.Open())
	require.False(t, p.May(0))
	require.True(t, p.Unsure(0, read(0)), "it may be on its way")
	require.False(t, p.Unsure(1, read(0)), "the PdT has had it")
	require.False(t, p.Unsure(0, read(1)))
	command, response, ok := p.Taken(1)
	require.True(t, ok)
	require.Equal(t, read(0), command)
	require.Nil(t, response)
	_, response, ok = p.Taken(2)
	require.True(t, ok)
	require.Equal(t, []byte{1, 0x90, 0}, response)
	require.Equal(t, Counts{Sent: 2, Taken: 2}, p.Count())
	require.Zero(t, p.Expire(now))
}

// TestWipedPromisesAnswerNothing: an ask that is not unsure has the card execute the command.
func TestWipedPromisesAnswerNothing(t *testing.T) {
	for got, command := range map[uint32][]byte{1: read(0), 0: choose} {
		p, now := NewPromiser(8), time.Now()
		p.Begin(read(0))
		p.End([]byte{0, 0x90, 0}, now)
		p.Expire(now.Add(MaxOpen))
		v, response := p.Asked(got, command)
		require.Equal(t, Execute, v)
		require.Nil(t, response)
		require.Zero(t, p.Open())
	}
}

// TestDeskCounts what came, was taken, and dropped for whatever reason.
func TestDeskCounts(t *testing.T) {
	d, now := NewDesk(2), time.Now()
	d.Enter(1)
	come := func(number uint32, n byte, waiting bool) {
		_, ok := d.Come(1, number, read(n), []byte{n, 0x90, 0}, waiting, now)
		require.True(t, ok)
	}
	come(1, 0, false)
	_, _, ok := d.Take(1, read(0), now)
	require.True(t, ok)
	d.Ask(1, read(1))
	come(2, 1, true)
	require.Equal(t, Counts{Sent: 2, Taken: 2}, d.Count())
	come(3, 2, false)
	d.Ask(1, read(9))
	come(4, 9, true)
	d.Answered(true)
	require.Equal(t, Counts{Sent: 4, Taken: 2, Dropped: 2}, d.Count())
	for number := range uint32(3) { // one more than fit
		come(5+number, 0, false)
	}
	require.Equal(t, Counts{Sent: 7, Taken: 2, Dropped: 5}, d.Count())
	come(8, 0, false)
	d.Expire(now.Add(MaxAge))
	require.Equal(t, Counts{Sent: 8, Taken: 2, Dropped: 6}, d.Count())
	require.Zero(t, d.AtHand())
}
