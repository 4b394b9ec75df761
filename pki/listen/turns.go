package listen

import "time"

// turns bound how many guests are worked for at once, so that computing for strangers leaves the processors to those
// who are proven. nil = no bound.
type turns chan struct{}

func newTurns(n int) turns {
	if n == 0 {
		return nil
	}
	return make(turns, n)
}

// longestTurn ends a turn that lasts: whoever needs longer computes no more, but waits for a responder.
const longestTurn = 50 * time.Millisecond

// turn is one guest's. Its methods are called by one goroutine.
type turn struct {
	of   turns
	last *time.Timer // gives the turn back when it lasts; nil = there is none
}

func (t *turn) begin() {
	if t.of == nil {
		return
	}
	t.of <- struct{}{}
	t.last = time.AfterFunc(longestTurn, func() { <-t.of })
}

// end gives the turn back, unless its time did.
func (t *turn) end() {
	if t.last != nil && t.last.Stop() {
		<-t.of
	}
	t.last = nil
}
