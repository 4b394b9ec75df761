package faults

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Proxy forwards TCP connections to a target until a fault is due. Its methods may be called at any time.
type Proxy struct {
	target string
	addr   string
	port   io.Closer      // keeps addr reserved while nothing listens
	all    sync.WaitGroup // every goroutine

	mu        sync.Mutex   // protects the rest, and part of every conn
	listener  net.Listener // nil: nothing listens
	admission Admission
	closed    bool
	conns     map[*conn]bool
	armed     *Armed // nil: none is due
	passed    [2]int64
	accepted  int
	hello     int  // octets of the longest TLS hello that passes; 0 = any
	dropped   Kind // what happens to a connection with a longer one
}

// Armed is a fault that is due, or has struck.
type Armed struct {
	Fault
	fired   chan struct{} // closed when it strikes
	goOn    chan struct{} // closed by Release
	release sync.Once
}

// Fired returns a channel that is closed when the fault has struck.
func (a *Armed) Fired() <-chan struct{} { return a.fired }

// Struck reports whether the fault has struck.
func (a *Armed) Struck() bool {
	select {
	case <-a.fired:
		return true
	default:
		return false
	}
}

// Release ends a stall; what was stalled passes.
func (a *Armed) Release() { a.release.Do(func() { close(a.goOn) }) }

// NewProxy listens on a free port of the loopback interface and forwards to target (host:port).
func NewProxy(target string) (*Proxy, error) { return NewProxyOn("127.0.0.1:0", target) }

// NewProxyOn is NewProxy at an IPv4 address; port 0 is a free one.
func NewProxyOn(addr, target string) (*Proxy, error) {
	bound, port, err := reserve(addr)
	if err != nil {
		return nil, fmt.Errorf("cannot start a proxy for %s: %w", target, err)
	}
	p := &Proxy{target: target, addr: bound, port: port, conns: map[*conn]bool{}}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.listen(); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot start a proxy for %s: %w", target, err), port.Close())
	}
	return p, nil
}

// Addr returns the address to connect to instead of the target. It never changes.
func (p *Proxy) Addr() string { return p.addr }

// Arm makes a fault due, counted from now, in place of any fault that is due.
func (p *Proxy) Arm(f Fault) *Armed {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := &Armed{Fault: f, fired: make(chan struct{}), goOn: make(chan struct{})}
	for c := range p.conns {
		c.since = 0
	}
	p.armed = a
	if f.After <= 0 {
		p.fire()
		for c := range p.conns {
			c.strike(a)
		}
	}
	return a
}

// Disarm makes no fault due; what a fault has done stays as it is.
func (p *Proxy) Disarm() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.armed = nil
}

// Admit sets how new connections are treated.
func (p *Proxy) Admit(a Admission) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.admit(a)
}

// LimitHello strikes each connection whose TLS hello is longer than so many octets, as some boxes do; 0 = none.
func (p *Proxy) LimitHello(octets int, then Kind) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hello, p.dropped = octets, then
}

// Passed returns the octets forwarded so far, by direction.
func (p *Proxy) Passed() [2]int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.passed
}

// Accepted returns the number of connections forwarded so far.
func (p *Proxy) Accepted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}

// Close stops listening, resets what is open and waits until all is gone.
func (p *Proxy) Close() {
	p.mu.Lock()
	p.closed = true
	_ = p.admit(Refuse)
	for c := range p.conns {
		c.reset()
	}
	p.mu.Unlock()
	p.all.Wait()
	_ = p.port.Close()
}

// admit needs p.mu.
func (p *Proxy) admit(a Admission) error {
	p.admission = a
	if a == Refuse {
		if p.listener != nil {
			_ = p.listener.Close()
			p.listener = nil
		}
		return nil
	}
	return p.listen()
}

// listen needs p.mu.
func (p *Proxy) listen() error {
	if p.listener != nil || p.closed {
		return nil
	}
	l, err := net.Listen("tcp4", p.addr)
	if err != nil {
		return err
	}
	p.listener = l
	p.all.Go(func() { p.accept(l) })
	return nil
}

func (p *Proxy) accept(l net.Listener) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		p.all.Go(func() { p.serve(client.(*net.TCPConn)) })
	}
}

func (p *Proxy) serve(client *net.TCPConn) {
	c := &conn{proxy: p, ends: [2]*net.TCPConn{ToTarget: client}, over: make(chan struct{})}
	if !p.enter(c) {
		abort(client)
		return
	}
	defer p.leave(c)
	c.run()
}

// enter registers a connection, and reports whether it is admitted.
func (p *Proxy) enter(c *conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.admission == Refuse {
		return false
	}
	c.swallowed = p.admission == Swallow
	if !c.swallowed {
		p.accepted++
	}
	p.conns[c] = true
	return true
}

func (p *Proxy) leave(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.reset()
	delete(p.conns, c)
}

// fire marks the armed fault as struck. It needs p.mu; the caller strikes the connections.
func (p *Proxy) fire() {
	a := p.armed
	p.armed = nil
	_ = p.admit(a.Then)
	if a.Kind == Stall && a.For > 0 {
		time.AfterFunc(a.For, a.Release)
	}
	close(a.fired)
}
