package tla

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"tlagate/internal/retry"
	"tlagate/session"
)

const (
	waitTime   = 500 * time.Millisecond // longest wait at PC/SC: also how soon a new reader is seen
	retryTime  = time.Second            // between two tries to reach the service
	abandonDue = 2 * time.Second        // how long a stopping watcher waits for PC/SC to answer
)

// ReadersConfig configures Readers.
type ReadersConfig struct {
	Log *slog.Logger // nil = discard

	pcsc pcsc // nil = the machine's; tests put theirs
}

// Readers watches all PC/SC readers of the machine. Its methods may be called from any goroutine.
type Readers struct {
	cfg ReadersConfig

	mu      sync.Mutex // protects the rest
	table   table
	service error // why PC/SC cannot be used; nil = it can
	seats   [session.Slots]*seat
	changed chan struct{} // closed and replaced at each change
}

var errNotLooked = errors.New("the readers have not been looked at yet")

// NewReaders makes a watcher; Run makes it watch.
func NewReaders(cfg ReadersConfig) *Readers {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.pcsc == nil {
		cfg.pcsc = system{}
	}
	return &Readers{cfg: cfg, service: errNotLooked, changed: make(chan struct{})}
}

// Run watches until ctx ends, through any failure of PC/SC. It holds no card.
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

// watch looks at the readers until PC/SC fails.
func (r *Readers) watch(ctx context.Context) error {
	c, err := r.cfg.pcsc.establish()
	if err != nil {
		return fmt.Errorf("cannot reach the PC/SC service (is pcscd running?): %w", err)
	}
	defer c.release()
	defer context.AfterFunc(ctx, c.cancel)()
	for ctx.Err() == nil {
		if err := r.look(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// look lists the readers and waits for a change in them.
func (r *Readers) look(ctx context.Context, c pcscContext) error {
	names, err := c.readers()
	if err != nil {
		return fmt.Errorf("cannot list the readers: %w", err)
	}
	looks := r.keep(names)
	if len(looks) == 0 {
		retry.Sleep(ctx, waitTime)
		return nil
	}
	switch err := c.wait(looks, waitTime); {
	case err == nil:
		r.update(func() { r.table.apply(looks) })
	case errors.Is(err, errTimeout):
	case errors.Is(err, errUnknownReader):
		retry.Sleep(ctx, waitTime/10) // unplugged since the list was made
	default:
		return fmt.Errorf("cannot watch the readers: %w", err)
	}
	return nil
}

// keep follows the list of readers and says what was last seen of them.
func (r *Readers) keep(names []string) (looks []look) {
	r.update(func() {
		r.service = nil
		r.table.keep(names)
		looks = r.table.looks()
	})
	return looks
}

// lose forgets the readers: PC/SC has failed, and counts anew when it is back.
func (r *Readers) lose(err error) {
	r.update(func() {
		r.service = err
		r.table.keep(nil)
	})
}

// update changes the table, and tells who waits when that shows.
func (r *Readers) update(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.view()
	change()
	r.seats = r.table.seats()
	after := r.view()
	if before.equal(after) {
		return
	}
	before.log(r.cfg.Log, after)
	close(r.changed)
	r.changed = make(chan struct{})
}

// now gives the cards of the slots, and a channel that is closed at the next change of anything.
func (r *Readers) now() ([session.Slots]*seat, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seats, r.changed
}
