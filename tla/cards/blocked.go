package cards

import (
	"context"
	"errors"
	"time"

	"tlagate/tla/cards/internal/pcsc"
)

// lookTime bounds a look at what a call waits for.
const lookTime = time.Second

// blocked returns what an attempt at a reader waits for, and remembers it: either another program, until whose
// transaction ends PC/SC makes us wait, or the reader itself.
func (t *Taker) blocked(reader string) (why error) {
	why = errStuck
	select {
	case why = <-t.lookOnce(reader):
	case <-time.After(lookTime):
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if a := t.attempts[reader]; a != nil {
		a.why = why
	}
	return why
}

// lookOnce looks at a reader that is being tried. There is one look at a time: calls that PC/SC does not answer must
// not pile up.
func (t *Taker) lookOnce(reader string) <-chan error {
	t.mu.Lock()
	defer t.mu.Unlock()
	seen := make(chan error, 1)
	a := t.attempts[reader]
	if a == nil || a.looking {
		seen <- errStuck
		return seen
	}
	a.looking = true
	go func() {
		why := usedBy(t.service, reader)
		t.mu.Lock()
		defer t.mu.Unlock()
		a.looking = false
		seen <- why
	}()
	return seen
}

// usedBy returns ErrBusy for a reader that another program uses in a transaction, and errStuck for one that does not
// answer. A reader that another program has exclusively never makes us wait.
func usedBy(service pcsc.Service, reader string) error {
	ctx, err := service.Establish()
	if err != nil {
		return errStuck
	}
	defer ctx.Release()
	looks := []pcsc.Look{{Reader: reader}}
	if err := ctx.Wait(looks, 0); err != nil && !errors.Is(err, pcsc.ErrTimeout) {
		return errStuck
	}
	if looks[0].Event&(pcsc.InUse|pcsc.Exclusive) == pcsc.InUse {
		return pcsc.ErrBusy
	}
	return errStuck
}

// abandon returns why an attempt is given up: it has reached its limit, or the session ends. A session that ends waits
// a moment for the card to be released.
func (t *Taker) abandon(ctx context.Context, a *attempt, reader string) error {
	cause, why := context.Cause(ctx), t.blocked(reader)
	if errors.Is(cause, errStuck) {
		return why
	}
	if errors.Is(why, errStuck) {
		select {
		case <-a.over:
		case <-time.After(t.limits.Release):
		}
	}
	return cause
}

// Pending returns, by name of reader, what keeps cards from being released that are not yet.
func (t *Taker) Pending() map[string]Hold {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := map[string]Hold{}
	for reader, a := range t.attempts {
		all[reader] = HoldStuck
		if errors.Is(a.why, pcsc.ErrBusy) {
			all[reader] = HoldBusy
		}
	}
	return all
}
