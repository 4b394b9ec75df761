package cli

import (
	"context"
	"sync"

	"tlagate/pki/trust"
)

// PersonsRun keeps the trust store of persons up to date. Another store may take its place at any time.
type PersonsRun struct {
	mu   sync.Mutex // protects the rest
	now  *trust.Trust
	stop context.CancelFunc // ends the run of now
}

// NewPersonsRun returns what runs a store; nil = there is none yet.
func NewPersonsRun(t *trust.Trust) *PersonsRun { return &PersonsRun{now: t, stop: func() {}} }

// Set has another store run; nil = none.
func (r *PersonsRun) Set(t *trust.Trust) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t != r.now {
		r.now = t
		r.stop()
	}
}

// Reload has the store read all that it names again; r may be nil.
func (r *PersonsRun) Reload() {
	if r == nil {
		return
	}
	r.mu.Lock()
	t := r.now
	r.mu.Unlock()
	if t != nil {
		t.Reload()
	}
}

// begin returns the store of now, and a context that ends with ctx, or when another takes its place.
func (r *PersonsRun) begin(ctx context.Context) (t *trust.Trust, running context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	running, r.stop = context.WithCancel(ctx)
	return r.now, running
}

// Run runs the store of now until ctx ends.
func (r *PersonsRun) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		t, running := r.begin(ctx)
		if t != nil {
			_ = t.Run(running)
		}
		<-running.Done()
	}
	return nil
}
