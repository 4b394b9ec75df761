package tla

import (
	"context"
	"time"

	"tlagate/session/consent"
)

// Key returns the acts of a physical key (C4), as startkey.Config.Acts wants them. Status says why a start by key
// failed.
func (r *Relay) Key() interface {
	Start() bool
	Stay()
	Stop()
} {
	return keyed{r}
}

type keyed struct{ r *Relay }

// Start does not wait for the session to be up.
func (k keyed) Start() bool {
	r := k.r
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || r.live != nil {
		return false
	}
	r.byKey.Go(func() { _ = r.Start(context.Background(), Act{Kind: consent.ActKey}) })
	return true
}

func (k keyed) Stay() { _ = k.r.Stay(Act{Kind: consent.ActKey}) }

// Stop does not wait for the end: a press that comes meanwhile must be seen when it comes, not start another session
// afterwards.
func (k keyed) Stop() {
	r := k.r
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.byKey.Go(func() { r.Stop() })
	}
}

// note keeps why a start did not even begin, for a user who pressed a key; r.mu is held.
func (r *Relay) note(w *Why) *Why {
	w = w.numbered()
	r.last = &End{Why: *w, At: time.Now()}
	return w
}
