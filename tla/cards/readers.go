package cards

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"tlagate/internal/retry"
	"tlagate/session"
	"tlagate/tla/cards/internal/pcsc"
)

const (
	waitTime   = 500 * time.Millisecond // longest wait in PC/SC; also how soon a new reader is seen
	retryTime  = time.Second            // between two tries to reach the service
	abandonDue = 2 * time.Second        // how long a watcher that stops waits for PC/SC to answer
)

// ReadersConfig configures Readers.
type ReadersConfig struct {
	Log     *slog.Logger // nil = discard
	Service pcsc.Service // nil = the machine's; tests have one of package cardstest
}

// Readers watches all PC/SC readers of the machine. Its methods may be called from any goroutine.
type Readers struct {
	cfg ReadersConfig

	mu        sync.Mutex // protects the rest
	table     table
	service   error // why PC/SC cannot be used; nil = it can
	occupants [session.Slots]*Occupant
	changed   chan struct{} // closed and replaced at each change
}

var errNotLooked = errors.New("the readers have not been looked at yet")

// NewReaders returns a watcher; Run makes it watch.
func NewReaders(cfg ReadersConfig) *Readers {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Service == nil {
		cfg.Service = pcsc.System{}
	}
	return &Readers{cfg: cfg, service: errNotLooked, changed: make(chan struct{})}
}

// Run watches until ctx ends, through any failure of PC/SC. It takes no card.
func (r *Readers) Run(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.watchAlways(ctx)
	}()
	<-ctx.Done()
	select {
	case <-done:
		return nil
	case <-time.After(abandonDue):
		return errors.New("cannot end watching the readers: the PC/SC service does not answer")
	}
}

func (r *Readers) watchAlways(ctx context.Context) {
	for ctx.Err() == nil {
		err := r.watch(ctx)
		if ctx.Err() == nil {
			r.lose(err)
		}
		retry.Sleep(ctx, retryTime)
	}
}

// watch follows the readers until PC/SC fails.
func (r *Readers) watch(ctx context.Context) error {
	c, err := r.cfg.Service.Establish()
	if err != nil {
		return fmt.Errorf("cannot reach the PC/SC service (is pcscd running?): %w", err)
	}
	defer c.Release()
	defer context.AfterFunc(ctx, c.Cancel)()
	for ctx.Err() == nil {
		if err := r.look(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// look lists the readers and waits for a change in them.
func (r *Readers) look(ctx context.Context, c pcsc.Context) error {
	names, err := c.Readers()
	if err != nil {
		return fmt.Errorf("cannot list the readers: %w", err)
	}
	looks := r.follow(names)
	if len(looks) == 0 {
		retry.Sleep(ctx, waitTime)
		return nil
	}
	switch err := c.Wait(looks, waitTime); {
	case err == nil:
		r.update(func() { r.table.apply(looks) })
	case errors.Is(err, pcsc.ErrTimeout):
	case errors.Is(err, pcsc.ErrUnknownReader):
		retry.Sleep(ctx, waitTime/10) // unplugged since the list was made
	default:
		return fmt.Errorf("cannot watch the readers: %w", err)
	}
	return nil
}

// follow takes in the list of readers, and returns what was last seen of each.
func (r *Readers) follow(names []string) (looks []pcsc.Look) {
	r.update(func() {
		r.service = nil
		r.table.follow(names)
		looks = r.table.looks()
	})
	return looks
}

// lose forgets the readers: PC/SC has failed, and will count insertions anew when it is back.
func (r *Readers) lose(err error) {
	r.update(func() {
		r.service = err
		r.table.follow(nil)
	})
}

// update changes the table, and wakes those that wait for a change if the view has changed.
func (r *Readers) update(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before, settled := r.view(), r.settled()
	change()
	r.occupants = r.table.occupants()
	after := r.view()
	if before.equal(after) && settled == r.settled() {
		return
	}
	before.log(r.cfg.Log, after)
	close(r.changed)
	r.changed = make(chan struct{})
}

// Lack reports whether it is known that no card is in for a slot. It is not before all readers were looked at, nor
// while a card that came in has yet to answer to its first reset.
func (r *Readers) Lack(slot session.Slot) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.occupants[slot] == nil && r.settled()
}

// settled reports whether it is known of every reader what is in it.
func (r *Readers) settled() bool { return !errors.Is(r.service, errNotLooked) && r.table.settled() }

// Now returns the cards of the slots, and a channel that is closed at the next change of anything.
func (r *Readers) Now() ([session.Slots]*Occupant, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.occupants, r.changed
}
