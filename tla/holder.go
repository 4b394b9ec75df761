package tla

import (
	"context"
	"errors"
	"sync"
	"time"
)

// holder takes cards, one attempt a reader at a time: what PC/SC does not answer must not pile up.
type holder struct {
	service pcsc
	limit   time.Duration // of taking a card
	release time.Duration // how long a card is waited for when it is let go
	command time.Duration // of one command or reset

	mu       sync.Mutex // protects the rest
	attempts map[string]*attempted
}

// attempted is an attempt at a reader that has not ended: the card is being taken, or is had.
type attempted struct {
	why     error         // that it takes too long, as last looked at
	looking bool          // somebody looks
	over    chan struct{} // closed when the reader may be tried again
}

var errReaderStuck = errors.New("the reader does not answer: unplug it and plug it again")

// take takes the card of a seat; its error may be errHeldByOther, errSwapped or errReaderStuck.
// A card that is had too late is let go at once.
func (o *holder) take(ctx context.Context, s seat) (*held, error) {
	a := o.begin(s.reader)
	if a == nil {
		return nil, o.blocked(s.reader)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.limit, errReaderStuck)
	defer cancel()
	type taken struct {
		h   *held
		err error
	}
	done := make(chan taken)
	go func() {
		h, err := hold(o.service, s, o.command)
		select {
		case done <- taken{h, err}:
		case <-ctx.Done():
			h.releaseIfHeld()
		}
		o.endWith(h, s.reader)
	}()
	select {
	case t := <-done:
		return t.h, t.err
	case <-ctx.Done():
		return nil, o.abandon(ctx, a, s.reader)
	}
}

// begin gives nil while an attempt at the reader is under way.
func (o *holder) begin(reader string) *attempted {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.attempts == nil {
		o.attempts = map[string]*attempted{}
	}
	if o.attempts[reader] != nil {
		return nil
	}
	a := &attempted{over: make(chan struct{})}
	o.attempts[reader] = a
	return a
}

func (o *holder) end(reader string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.attempts[reader].over)
	delete(o.attempts, reader)
}

func (h *held) releaseIfHeld() {
	if h != nil {
		h.release()
	}
}

// endWith waits until the card is powered down; then the reader may be tried again.
func (o *holder) endWith(h *held, reader string) {
	if h == nil {
		o.end(reader)
		return
	}
	<-h.done
	o.end(reader)
	close(h.free)
}
