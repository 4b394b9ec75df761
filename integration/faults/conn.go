package faults

import (
	"io"
	"net"
	"sync"
)

const chunkSize = 16 << 10

// conn is one connection through a proxy. ends[d] is where octets of direction d come from.
type conn struct {
	proxy     *Proxy
	swallowed bool // never forwarded
	ends      [2]*net.TCPConn
	over      chan struct{} // closed by reset

	// protected by proxy.mu
	gone    bool      // closed by reset
	mute    [2]bool   // octets of this direction vanish, and so does the end of its stream
	since   int       // octets in the armed fault's direction since it was armed
	spent   bool      // lost, whatever may still pass: no further fault strikes it
	begun   bool      // the header of the client's first record has come
	stalled [2]*Armed // nothing of this direction passes before its Release
}

// run forwards until both directions have ended.
func (c *conn) run() {
	if c.swallowed {
		<-c.over
		return
	}
	target, err := net.Dial("tcp", c.proxy.target)
	if err != nil {
		return // leave resets the client
	}
	if !c.reach(target.(*net.TCPConn)) {
		return
	}
	var ways sync.WaitGroup
	for _, way := range []Direction{ToTarget, ToClient} {
		ways.Go(func() { c.pump(way) })
	}
	ways.Wait()
}

// reach adds the target's end, and reports whether the connection is still whole.
func (c *conn) reach(target *net.TCPConn) bool {
	c.proxy.mu.Lock()
	defer c.proxy.mu.Unlock()
	if c.gone {
		abort(target)
		return false
	}
	c.ends[ToClient] = target
	return true
}

// pump forwards one direction.
func (c *conn) pump(way Direction) {
	buf := make([]byte, chunkSize)
	for {
		n, err := c.ends[way].Read(buf)
		c.greet(way, buf[:n])
		if n > 0 && !c.pass(way, buf[:n]) {
			return
		}
		if err != nil {
			c.ended(way, err)
			return
		}
	}
}

// greet measures the client's TLS hello, whose record's header comes whole with the client's first octets.
func (c *conn) greet(way Direction, b []byte) {
	c.proxy.mu.Lock()
	defer c.proxy.mu.Unlock()
	if way != ToTarget || c.begun || len(b) < 5 {
		return
	}
	c.begun = true
	if limit := c.proxy.hello; limit > 0 && b[0] == 22 && 5+int(b[3])<<8+int(b[4]) > limit && !c.gone {
		c.strike(&Armed{Fault: Fault{Kind: c.proxy.dropped, Way: way}})
	}
}

// pass forwards octets, in parts where a fault strikes between them, and reports whether the connection is still there.
func (c *conn) pass(way Direction, b []byte) bool {
	for len(b) > 0 {
		if !c.flows(way) {
			return false
		}
		n, struck, mute := c.account(way, len(b))
		if !mute {
			if _, err := c.ends[1-way].Write(b[:n]); err != nil {
				c.broken(struck)
				return false
			}
		}
		c.struckBy(struck)
		b = b[n:]
	}
	return true
}

// flows waits while the direction is stalled, and reports whether the connection is still there.
func (c *conn) flows(way Direction) bool {
	c.proxy.mu.Lock()
	stall := c.stalled[way]
	c.proxy.mu.Unlock()
	if stall == nil {
		return true
	}
	select {
	case <-stall.goOn:
		return true
	case <-c.over:
		return false
	}
}

// account returns how many of n octets pass before the next fault, that fault if it strikes after them, and whether
// they vanish.
func (c *conn) account(way Direction, n int) (pass int, struck *Armed, mute bool) {
	p := c.proxy
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.mute[way] {
		return n, nil, true
	}
	if a := p.armed; a != nil && a.Way == way && !c.spent {
		n = min(n, a.After-c.since)
		c.since += n
		if c.since == a.After {
			struck = a
			p.armed = nil // no other connection is struck by it
		}
	}
	p.passed[way] += int64(n)
	return n, struck, false
}

// struckBy breaks the connection once the last octet before the fault is written.
func (c *conn) struckBy(a *Armed) {
	if a == nil {
		return
	}
	p := c.proxy
	p.mu.Lock()
	defer p.mu.Unlock()
	next := p.armed // armed while that octet was written
	p.armed = a
	p.fire()
	p.armed = next
	c.strike(a)
}

// strike does to the connection what the fault says; the proxy's lock is held.
func (c *conn) strike(a *Armed) {
	c.spent = a.Kind != Stall || a.For == 0
	switch a.Kind {
	case Cut:
		c.cut()
	case Reset:
		c.reset()
	case Stall:
		c.stalled = [2]*Armed{a, a}
	case HalfOpen:
		c.mute = [2]bool{true, true}
	case Deaf:
		c.mute[a.Way] = true
	}
}

// cut ends the stream in both directions, and drops what the ends still send.
func (c *conn) cut() {
	c.mute = [2]bool{true, true}
	for _, end := range c.ends {
		if end != nil {
			_ = end.CloseWrite()
		}
	}
}

// reset closes both ends with RST. What is stalled is dropped.
func (c *conn) reset() {
	if c.gone {
		return
	}
	c.gone = true
	close(c.over)
	for _, end := range c.ends {
		if end != nil {
			abort(end)
		}
	}
}

// broken resets a connection of which an end takes nothing any more. A fault that was due here is due on another one.
func (c *conn) broken(due *Armed) {
	c.proxy.mu.Lock()
	defer c.proxy.mu.Unlock()
	if c.proxy.armed == nil {
		c.proxy.armed = due
	}
	c.reset()
}

// ended forwards the end of a direction, after what is stalled of it.
func (c *conn) ended(way Direction, err error) {
	if !c.flows(way) {
		return
	}
	c.proxy.mu.Lock()
	defer c.proxy.mu.Unlock()
	switch {
	case c.gone || c.mute[way]:
	case err == io.EOF:
		_ = c.ends[1-way].CloseWrite()
	default:
		c.reset()
	}
}

func abort(end *net.TCPConn) {
	_ = end.SetLinger(0)
	_ = end.Close()
}
