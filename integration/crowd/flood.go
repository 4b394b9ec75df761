package crowd

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Flood keeps connections open on which nothing is said, and opens each again, a moment later, when it is closed.
type Flood struct {
	to      string
	stop    context.CancelFunc
	running sync.WaitGroup
	opened  atomic.Int64
	full    sync.WaitGroup // done when each connection has been open once
}

// StartFlood opens so many connections, from as many of the addresses 127.0.1.1, 127.0.1.2 …
func StartFlood(to string, connections, addresses int) *Flood {
	ctx, cancel := context.WithCancel(context.Background())
	f := &Flood{to: to, stop: cancel}
	f.full.Add(connections)
	for i := range connections {
		f.running.Go(func() { f.keep(ctx, net.IPv4(127, 0, 1, byte(1+i%addresses))) })
	}
	return f
}

// Wait returns when each connection has been open once.
func (f *Flood) Wait() { f.full.Wait() }

// Opened returns how many connections were opened so far.
func (f *Flood) Opened() int64 { return f.opened.Load() }

// Stop ends it.
func (f *Flood) Stop() {
	f.stop()
	f.running.Wait()
}

// keep keeps one connection open.
func (f *Flood) keep(ctx context.Context, from net.IP) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: from}}
	once := sync.OnceFunc(f.full.Done)
	defer once()
	for ctx.Err() == nil {
		c, err := d.DialContext(ctx, "tcp", f.to)
		once()
		if err == nil {
			f.opened.Add(1)
			stop := context.AfterFunc(ctx, func() { c.Close() })
			_, _ = c.Read(make([]byte, 1))
			stop()
			c.Close()
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second): // as any attacker's machine waits
		}
	}
}
