package cli

import (
	"context"
	"sync"

	"tlagate/pki/trust"
)

// PersonsRun keeps the trust store of persons up to date. Another store may take its place at any time.
type PersonsRun struct {
	mu      sync.Mutex // protects the rest
	now     *trust.Trust
	changed chan struct{} // closed and replaced with now
}

// NewPersonsRun returns what runs a store; nil = there is none yet.
func NewPersonsRun(t *trust.Trust) *PersonsRun {
	return &PersonsRun{now: t, changed: make(chan struct{})}
}

// Set has another store run; nil = none.
func (r *PersonsRun) Set(t *trust.Trust) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t == r.now {
		return
	}
	r.now = t
	close(r.changed)
	r.changed = make(chan struct{})
}

// Reload has the store read all that it names again; r may be nil.
func (r *PersonsRun) Reload() {
	if r == nil {
		return
	}
	if t, _ := r.get(); t != nil {
		t.Reload()
	}
}

func (r *PersonsRun) get() (*trust.Trust, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now, r.changed
}

// Run runs the store of now until ctx ends.
func (r *PersonsRun) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		t, changed := r.get()
		running, stop := context.WithCancel(ctx)
		go func() {
			select {
			case <-changed:
			case <-running.Done():
			}
			stop()
		}()
		if t != nil {
			_ = t.Run(running)
		}
		<-running.Done()
		stop()
	}
	return nil
}
