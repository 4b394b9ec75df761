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
	command time.Duration // of one command or reset

	mu   sync.Mutex // protects busy
	busy map[string]bool
}

var errReaderStuck = errors.New("the reader does not answer: unplug it and plug it again")

// take takes the card of a seat; its error may be errHeldByOther, errSwapped or errReaderStuck.
// A card that is had too late is let go at once.
func (o *holder) take(ctx context.Context, s seat) (*held, error) {
	if !o.begin(s.reader) {
		return nil, errReaderStuck
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
		return nil, context.Cause(ctx)
	}
}

func (o *holder) begin(reader string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.busy == nil {
		o.busy = map[string]bool{}
	}
	if o.busy[reader] {
		return false
	}
	o.busy[reader] = true
	return true
}

func (o *holder) end(reader string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.busy, reader)
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
