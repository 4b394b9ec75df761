package world

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"
)

// Direction is that of bytes through a [Proxy].
type Direction int

// The directions: from the side that dialled, and from the target.
const (
	ToTarget Direction = iota
	ToClient
)

const (
	chunkSize   = 16 << 10
	maxInFlight = 256 // chunks in each direction
)

// Proxy forwards TCP connections and does to them what a bad network does. All methods may be called at any time and
// concurrently; settings act on open connections too.
type Proxy struct {
	target   string
	listener net.Listener
	all      sync.WaitGroup // every goroutine

	mu       sync.Mutex // protects the rest
	delay    time.Duration
	rate     int           // octets a second in each direction; 0 = any
	running  chan struct{} // closed: bytes flow; open: paused
	paused   bool
	refusing bool
	closed   bool
	fault    func(Direction, []byte) []byte
	links    map[*link]bool
	accepted int
}

// NewProxy listens on a free port of the loopback interface and forwards to target (host:port), at first without any
// fault.
func NewProxy(target string) (*Proxy, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("cannot start a proxy for %s: %w", target, err)
	}
	p := &Proxy{target: target, listener: l, running: make(chan struct{}), links: map[*link]bool{}}
	close(p.running)
	p.all.Add(1)
	go p.accept()
	return p, nil
}

// Addr returns the address to connect to instead of the target.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// SetDelay delays every byte by oneWay, half a round trip. A new connection waits for the round trip of the TCP
// handshake as well.
func (p *Proxy) SetDelay(oneWay time.Duration) { p.set(func() { p.delay = oneWay }) }

// SetRate lets no more than so many octets a second pass in each direction of a connection; 0 = any.
func (p *Proxy) SetRate(octets int) { p.set(func() { p.rate = octets }) }

// SetFault passes every piece of data through f, which returns what is forwarded (perhaps nothing); nil = no fault. f
// may be called concurrently.
func (p *Proxy) SetFault(f func(Direction, []byte) []byte) { p.set(func() { p.fault = f }) }

// Refuse sets whether the proxy drops new connections at once.
func (p *Proxy) Refuse(refuse bool) { p.set(func() { p.refusing = refuse }) }

// Pause stops all bytes without closing anything: a dead link of which neither end is told.
func (p *Proxy) Pause() {
	p.set(func() {
		if !p.paused {
			p.paused, p.running = true, make(chan struct{})
		}
	})
}

// Resume ends a pause; no byte was lost.
func (p *Proxy) Resume() {
	p.set(func() {
		if p.paused {
			p.paused = false
			close(p.running)
		}
	})
}

// Cut breaks all open connections with a TCP reset; bytes under way are lost.
func (p *Proxy) Cut() {
	p.set(func() {
		for l := range p.links {
			l.cut()
		}
	})
}

// Open returns the number of connections that are open now.
func (p *Proxy) Open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.links)
}

// Accepted returns the number of connections so far.
func (p *Proxy) Accepted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}

// Close stops listening, cuts everything and waits until all is gone.
func (p *Proxy) Close() {
	p.set(func() { p.closed = true })
	_ = p.listener.Close()
	p.Cut()
	p.all.Wait()
}

func (p *Proxy) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

func (p *Proxy) accept() {
	defer p.all.Done()
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		l := &link{proxy: p, client: conn.(*net.TCPConn)}
		l.ctx, l.cancel = context.WithCancel(context.Background())
		if !p.admit(l) {
			l.cut()
			continue
		}
		go func() {
			defer p.dismiss(l)
			l.run()
		}()
	}
}

func (p *Proxy) admit(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refusing || p.closed {
		return false
	}
	p.accepted++
	p.links[l] = true
	p.all.Add(1)
	return true
}

func (p *Proxy) dismiss(l *link) {
	l.cancel()
	_ = l.client.Close() // what was sent still arrives
	p.set(func() { delete(p.links, l) })
	p.all.Done()
}

func (p *Proxy) oneWay() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.delay
}

// lasts returns how long so many octets are on their way at the proxy's rate.
func (p *Proxy) lasts(octets int) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rate == 0 {
		return 0
	}
	return time.Duration(octets) * time.Second / time.Duration(p.rate)
}

func (p *Proxy) flowing() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.running
}

func (p *Proxy) spoil(d Direction, b []byte) []byte {
	p.mu.Lock()
	f := p.fault
	p.mu.Unlock()
	if f == nil {
		return b
	}
	return f(d, b)
}
