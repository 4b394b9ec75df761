// Package heartbeat finds dead peers: silence for one interval asks for a ping, for three means death.
package heartbeat

import (
	"sync/atomic"
	"time"
)

// DeadAfter is how many silent intervals make a peer dead.
const DeadAfter = 3

// Monitor watches one peer. Its methods may be called from any goroutine.
type Monitor struct {
	interval time.Duration
	ping     func() // may block
	dead     func()
	heard    atomic.Int64 // ns
	stopped  atomic.Bool
	timer    atomic.Pointer[time.Timer]
}

// New makes a monitor; ping and dead are called from goroutines of its own.
func New(interval time.Duration, ping, dead func()) *Monitor {
	return &Monitor{interval: interval, ping: ping, dead: dead}
}

// Start begins to watch: now counts as heard.
func (m *Monitor) Start() {
	m.Heard()
	m.arm()
}

// Heard notes that the peer is alive.
func (m *Monitor) Heard() { m.heard.Store(time.Now().UnixNano()) }

// Stop ends the monitor; a ping under way is not waited for.
func (m *Monitor) Stop() {
	m.stopped.Store(true)
	if t := m.timer.Load(); t != nil {
		t.Stop()
	}
}

func (m *Monitor) arm() {
	m.timer.Store(time.AfterFunc(m.interval, m.beat))
	if m.stopped.Load() {
		m.timer.Load().Stop()
	}
}

func (m *Monitor) beat() {
	if m.stopped.Load() {
		return
	}
	silent := time.Duration(time.Now().UnixNano() - m.heard.Load())
	if silent >= DeadAfter*m.interval {
		m.dead()
		return
	}
	m.arm()
	if silent >= m.interval {
		m.ping()
	}
}
