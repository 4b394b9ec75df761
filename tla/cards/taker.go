package cards

import (
	"context"
	"errors"
	"sync"
	"time"

	"tlagate/tla/cards/internal/pcsc"
)

// Limits are how long PC/SC may take, each greater than zero.
type Limits struct {
	Take    time.Duration // to take a card
	Command time.Duration // of one command or reset
	Release time.Duration // to release a card
}

// Taker takes cards, with one attempt at a time for each reader: calls that PC/SC does not answer must not pile up. Its
// methods may be called from any goroutine.
type Taker struct {
	service pcsc.Service
	limits  Limits

	mu       sync.Mutex // protects the rest
	attempts map[string]*attempt
}

// attempt is an attempt at a reader that has not ended: the card is being taken, or is leased.
type attempt struct {
	why     error         // why it takes so long, as last looked at
	looking bool          // a look is under way
	over    chan struct{} // closed when the reader may be tried again
}

var errStuck = errors.New("the reader does not answer: unplug it and plug it again")

// NewTaker returns a taker of the cards that r watches.
func NewTaker(r *Readers, limits Limits) *Taker {
	return &Taker{service: r.cfg.Service, limits: limits, attempts: map[string]*attempt{}}
}

// Take takes the card of a slot; [HoldOf] says what its error means. A card that is taken too late is released at once.
// Unless declined is nil, it is called when the reader has declined many commands in a row, and with (0, nil) when it
// executes one after that.
func (t *Taker) Take(ctx context.Context, o Occupant, declined func(row int64, err error)) (*Lease, error) {
	a := t.begin(o.Reader)
	if a == nil {
		return nil, t.blocked(o.Reader)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, t.limits.Take, errStuck)
	defer cancel()
	type taken struct {
		lease *Lease
		err   error
	}
	done := make(chan taken)
	go func() {
		l, err := take(t.service, o, t.limits, declined)
		select {
		case done <- taken{l, err}:
		case <-ctx.Done():
			l.letGo()
		}
		t.endWith(l, o.Reader)
	}()
	select {
	case d := <-done:
		return d.lease, d.err
	case <-ctx.Done():
		return nil, t.abandon(ctx, a, o.Reader)
	}
}

// begin begins an attempt at the reader; it returns nil while another is under way.
func (t *Taker) begin(reader string) *attempt {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.attempts[reader] != nil {
		return nil
	}
	a := &attempt{over: make(chan struct{})}
	t.attempts[reader] = a
	return a
}

func (t *Taker) end(reader string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	close(t.attempts[reader].over)
	delete(t.attempts, reader)
}

// endWith waits until the card of l, if there is one, is powered down; then the reader may be tried again.
func (t *Taker) endWith(l *Lease, reader string) {
	if l == nil {
		t.end(reader)
		return
	}
	<-l.done
	t.end(reader)
	close(l.free)
}
