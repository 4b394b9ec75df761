package listen

import (
	"context"
	"io"
	"net"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// talk lets in a guest from which one octet was read, so that it has a turn.
func talk(t *testing.T, r *Room) *Guest {
	near, far := net.Pipe()
	t.Cleanup(func() { far.Close() })
	go func() { _, _ = far.Write([]byte{1}); _, _ = io.Copy(io.Discard, far) }()
	g := r.Enter(near)
	_, err := g.Read(make([]byte, 1))
	require.NoError(t, err)
	return g
}

// TestC1AGuestThatIsDoneWithHoldsNoTurn: a turn ends with what it was for, not only with the next Read or its time: it
// is one of few.
func TestC1AGuestThatIsDoneWithHoldsNoTurn(t *testing.T) {
	for name, done := range map[string]func(g *Guest){
		"it leaves":    (*Guest).Leave,
		"is closed":    func(g *Guest) { g.Close() },
		"is sent away": func(g *Guest) { g.sendAway(ErrTooMany) },
		"is answered":  func(g *Guest) { _, _ = g.Write([]byte{2}) },
		"is proven":    (*Guest).Proven,
	} {
		t.Run(name, func(t *testing.T) {
			r := NewRoom(RoomConfig{Places: 10, Turns: 1})
			g := talk(t, r)
			last := g.turn.last.Load()
			require.NotNil(t, last)
			done(g)
			require.Nil(t, g.turn.last.Load())
			require.False(t, last.Stop(), "nothing gives it back a second time")
		})
	}
}

// TestC1ARefusalGivesItsTurnBack: a stranger who begins with a TLS alert is refused at once, without another read.
func TestC1ARefusalGivesItsTurnBack(t *testing.T) {
	r := start(t, Config{})
	for range 20 {
		c := r.dial(t)
		_, err := c.Write([]byte{0x15, 3, 1, 0, 2, 2, 40})
		require.NoError(t, err)
		_, _ = io.ReadAll(c) // until it is closed: the server has done with it
		require.Empty(t, r.l.room.turns, "turns held by connections that are closed")
	}
}

// TestC1ADivertedConnectionHoldsNoTurn: what is piped on costs no computing.
func TestC1ADivertedConnectionHoldsNoTurn(t *testing.T) {
	held := make(chan int, 1)
	var r *rig
	r = start(t, Config{Divert: func(_ context.Context, c net.Conn) (net.Conn, func(context.Context)) {
		_, _ = c.Read(make([]byte, 1))
		return c, func(context.Context) { held <- len(r.l.room.turns); c.Close() }
	}})
	_, err := r.dial(t).Write([]byte{1})
	require.NoError(t, err)
	require.Zero(t, <-held)
}

// TestADivertedConnectionEndsInOneDirection: whoever pipes it on can say that nothing more comes, and still read.
func TestADivertedConnectionEndsInOneDirection(t *testing.T) {
	said := make(chan error, 1)
	r := start(t, Config{Divert: func(_ context.Context, c net.Conn) (net.Conn, func(context.Context)) {
		_, _ = c.Read(make([]byte, 1))
		return c, func(context.Context) {
			defer c.Close()
			said <- closeWrite(c)
			_, _ = io.Copy(io.Discard, c)
		}
	}})
	c := r.dial(t)
	_, err := c.Write([]byte{1})
	require.NoError(t, err)
	require.NoError(t, <-said)
	rest, err := io.ReadAll(c)
	require.NoError(t, err)
	require.Empty(t, rest)
}

// TestC1AGuestThatQueuesMayBeSentAway: whoever waits for a turn is not being served; otherwise a flood of whole hellos
// fills the room, and the newcomer has to go.
func TestC1AGuestThatQueuesMayBeSentAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRoom(RoomConfig{Places: 2, Turns: 1})
		r.turns <- struct{}{} // somebody has the only turn, for ever
		guests, ended := []*Guest{}, make(chan error, 2)
		for range 2 {
			near, far := net.Pipe()
			guests = append(guests, r.Enter(near))
			go func() { _, err := guests[len(guests)-1].Read(make([]byte, 1)); ended <- err }()
			_, _ = far.Write([]byte{1})
			synctest.Wait() // it queues
		}
		newcomer := enter(r, "198.51.100.1:1")[0]
		require.NoError(t, newcomer.Gone())
		require.ErrorIs(t, <-ended, net.ErrClosed, "it no longer queues")
		require.Equal(t, 1, gone(guests))
		require.Len(t, r.turns, 1, "it has taken none")
		for _, g := range guests {
			_ = g.Close()
		}
		require.ErrorIs(t, <-ended, net.ErrClosed)
	})
}

// TestC1AGuestThatTakesNothingMayBeSentAway: whoever asks and does not read the answer is not being served either,
// even if no Read waits for what it sends.
func TestC1AGuestThatTakesNothingMayBeSentAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRoom(RoomConfig{Places: 1})
		near, far := net.Pipe()
		g, ended := r.Enter(near), make(chan error)
		go func() {
			_, _ = g.Read(make([]byte, 1))
			_, err := g.Write([]byte{2})
			ended <- err
		}()
		_, _ = far.Write([]byte{1})
		synctest.Wait() // it writes
		newcomer := enter(r, "198.51.100.1:1")[0]
		require.NoError(t, newcomer.Gone())
		require.ErrorIs(t, g.Gone(), ErrTooMany)
		require.Error(t, <-ended)
		_ = newcomer.Close()
	})
}
