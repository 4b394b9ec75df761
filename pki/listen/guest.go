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
	// ErrTooMany: all places were taken, and this connection had been silent longest of those from the heaviest source.
	ErrTooMany = errors.New("too many connections whose peer is not proven, in all or from this source")
	// ErrSilent: nothing came in the time there is for the first octets.
	ErrSilent = errors.New("nothing came in the time there is for the first octets")
)

// Guest is a connection in a Room. One goroutine reads at a time.
type Guest struct {
	net.Conn
	room *Room

	inSource, inNetwork seat // protected by the room's mu

	busy  atomic.Bool // it is worked for, and does not wait for octets
	free  atomic.Bool // it has left the room
	first *time.Timer // until the first octets
	turn  turn        // owned by the reader
	gone  atomic.Pointer[error]
	once  sync.Once
}

func newGuest(c net.Conn, r *Room) *Guest {
	g := &Guest{Conn: c, room: r, turn: turn{of: r.turns}}
	g.first = time.AfterFunc(time.Hour, func() { g.sendAway(ErrSilent) })
	g.first.Reset(r.cfg.Silent) // now that all of g is there for whom it wakes
	return g
}

func (g *Guest) waits() bool { return !g.busy.Load() }

// Read reads from the connection beneath. What is done with the octets is done in the guest's turn, which ends with the
// next Read.
func (g *Guest) Read(p []byte) (int, error) {
	if g.free.Load() {
		return g.Conn.Read(p)
	}
	g.turn.end()
	g.busy.Store(false)
	n, err := g.Conn.Read(p)
	g.busy.Store(true)
	if n > 0 {
		g.first.Stop()
	}
	if err == nil {
		g.turn.begin()
	}
	return n, err
}

// CloseWrite ends our direction, where the connection beneath can.
func (g *Guest) CloseWrite() error {
	if half, ok := g.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// Leave takes the guest out of the room: it is bounded in another way from now on, or by no one.
func (g *Guest) Leave() {
	g.once.Do(func() {
		g.free.Store(true)
		g.first.Stop()
		g.room.leave(g)
	})
}

// Proven is told by the reader that the guest's peer is proven: its source is favoured for a while.
func (g *Guest) Proven() {
	g.turn.end()
	g.room.prove(g)
}

// Close leaves the room and closes the connection.
func (g *Guest) Close() error {
	g.Leave()
	return g.Conn.Close()
}

// sendAway closes the connection on a guest that has not left.
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
