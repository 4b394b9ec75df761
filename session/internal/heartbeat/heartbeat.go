// Package heartbeat finds dead peers: after one silent interval it pings, after three the peer is dead.
package heartbeat

import (
	"sync/atomic"
	"time"
)

// DeadAfter is how many silent intervals make a peer dead.
const deadAfter = 3

// Monitor watches one peer. Its methods may be called from any goroutine.
type Monitor struct {
	interval time.Duration
	ping     func() // may block
	dead     func()
	heard    [2]atomic.Int64 // by each of two clocks, ns
	began    time.Time
	stopped  atomic.Bool
	timer    atomic.Pointer[time.Timer]
}

// New returns a monitor, which calls ping and dead from goroutines of its own.
func New(interval time.Duration, ping, dead func()) *Monitor {
	return &Monitor{interval: interval, ping: ping, dead: dead, began: time.Now()}
}

// Start begins to watch; now counts as heard.
func (m *Monitor) Start() {
	m.Heard()
	m.arm()
}

// Heard records that the peer is alive.
func (m *Monitor) Heard() {
	for i, now := range m.now() {
		m.heard[i].Store(now)
	}
}

// now returns what two clocks show, in ns: one stands still while the machine sleeps, the other may be set.
func (m *Monitor) now() [2]int64 {
	t := time.Now()
	return [2]int64{int64(t.Sub(m.began)), t.UnixNano()}
}

// silent returns how long the peer has been silent, by the faster clock.
func (m *Monitor) silent() time.Duration {
	now := m.now()
	return time.Duration(max(now[0]-m.heard[0].Load(), now[1]-m.heard[1].Load()))
}

// Stop ends the monitor; it does not wait for a ping under way.
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
	silent := m.silent()
	if silent >= deadAfter*m.interval {
		m.dead()
		return
	}
	m.arm()
	if silent >= m.interval {
		m.ping()
	}
}
