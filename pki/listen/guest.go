package listen

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Why a guest was sent away.
var (
	// ErrTooMany: all places were taken, and this connection had been silent longest of those from the heaviest
	// source.
	ErrTooMany = errors.New("too many connections whose peer is not proven, in all or from this source")
	// ErrSilent: nothing came in the time there is for the first octets.
	ErrSilent = errors.New("nothing came in the time there is for the first octets")
)

// Guest is a connection in a Room. Only one goroutine may read at a time.
type Guest struct {
	net.Conn
	room *Room

	inSource, inNetwork membership // protected by the room's mu

	busy    atomic.Bool                // it is being served, and waits neither for octets nor for its turn
	writing atomic.Int32               // calls of Write under way
	free    atomic.Bool                // it has left the room
	closed  chan struct{}              // closed by closing, once
	first   atomic.Pointer[time.Timer] // until the first octets; nil = they have come
	turn    turn                       // begun by the reader
	gone    atomic.Pointer[error]
	once    sync.Once
	closing sync.Once
}

func newGuest(c net.Conn, r *Room) *Guest {
	g := &Guest{Conn: c, room: r, closed: make(chan struct{})}
	g.turn.of = r.turns
	first := time.AfterFunc(time.Hour, func() { g.sendAway(ErrSilent) })
	g.first.Store(first)
	first.Reset(r.cfg.Silent) // only now, as the timer's function needs all of g
	return g
}

// spoke ends the wait for the first octets.
func (g *Guest) spoke() {
	if first := g.first.Swap(nil); first != nil {
		first.Stop()
	}
}

// waits reports whether nothing is being done for the guest: it is its peer's turn to send, or to take what it asked
// for, or it queues.
func (g *Guest) waits() bool { return !g.busy.Load() || g.writing.Load() > 0 }

// Read reads from the connection beneath. When it returns octets it has taken the guest's turn, in which they are to be
// dealt with; the turn ends with the next Read or Write, or when the guest leaves.
func (g *Guest) Read(p []byte) (int, error) {
	if g.free.Load() {
		return g.Conn.Read(p)
	}
	g.turn.end()
	g.busy.Store(false)
	n, err := g.Conn.Read(p)
	if n > 0 {
		g.spoke()
	}
	if err == nil && !g.begin() {
		n, err = 0, net.ErrClosed
	}
	g.busy.Store(true)
	return n, err
}

// begin waits for a turn, and reports whether the guest is still there to use it: while it waits it may be sent away.
// A guest that left meanwhile has no turn: nothing else would end it.
func (g *Guest) begin() bool {
	began := g.turn.begin(g.closed)
	if g.free.Load() {
		g.turn.end()
	}
	return began
}

// Write writes to the connection beneath. What was to be computed for the guest has been: its turn is over.
func (g *Guest) Write(p []byte) (int, error) {
	g.turn.end()
	g.writing.Add(1)
	defer g.writing.Add(-1)
	return g.Conn.Write(p)
}

// CloseWrite ends our direction, if the connection beneath can do so.
func (g *Guest) CloseWrite() error { return closeWrite(g.Conn) }

// Leave takes the guest out of the room, and ends its turn: from now on it is bounded in another way, or not at all.
func (g *Guest) Leave() {
	g.once.Do(func() {
		g.free.Store(true)
		g.spoke()
		g.room.leave(g)
	})
	g.turn.end()
}

// Proven is called by the goroutine that reads, once the guest's peer is proven: its source is favoured for a while.
func (g *Guest) Proven() {
	g.turn.end()
	g.room.prove(g)
}

// Close leaves the room and closes the connection.
func (g *Guest) Close() error {
	g.Leave()
	g.closing.Do(func() { close(g.closed) })
	return g.Conn.Close()
}

// sendAway closes the connection of a guest that has not left.
func (g *Guest) sendAway(why error) {
	if g.free.Load() || !g.gone.CompareAndSwap(nil, &why) {
		return
	}
	_ = g.Close()
}

// Gone returns why the guest was sent away; nil = it was not.
func (g *Guest) Gone() error {
	if why := g.gone.Load(); why != nil {
		return *why
	}
	return nil
}
