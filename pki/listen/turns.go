package listen

import (
	"sync/atomic"
	"time"
)

// turns bounds how many guests are served at once, so that computing for strangers leaves the processors to proven
// peers. nil = no bound.
type turns chan struct{}

func newTurns(n int) turns {
	if n == 0 {
		return nil
	}
	return make(turns, n)
}

// longestTurn is when a turn ends by itself: a handshake that takes longer is not computing, but waits for a responder.
const longestTurn = 50 * time.Millisecond

// turn is one guest's. One goroutine calls begin; any may call end.
type turn struct {
	of   turns
	last atomic.Pointer[time.Timer] // gives the turn back after longestTurn; nil = it has no turn
}

// begin waits for a turn, and reports whether it came before closed was closed.
func (t *turn) begin(closed <-chan struct{}) bool {
	if t.of == nil {
		return true
	}
	select {
	case t.of <- struct{}{}:
	case <-closed:
		return false
	}
	t.last.Store(time.AfterFunc(longestTurn, func() { <-t.of }))
	return true
}

// end gives the turn back, unless the timer already did.
func (t *turn) end() {
	if last := t.last.Swap(nil); last != nil && last.Stop() {
		<-t.of
	}
}
