package cards

import (
	"context"
	"errors"
	"time"

	"tlagate/tla/cards/internal/pcsc"
)

// lookTime bounds a look at what a call is waiting for.
const lookTime = time.Second

// blocked returns what an attempt at a reader waits for, and remembers it: another program, whose transaction PC/SC has
// it wait for, or the reader.
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

// lookOnce looks at a reader that is being tried; one look at a time: what PC/SC does not answer must not pile up.
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

// usedBy tells a reader that another program uses, which for us is never exclusively, from one that does not answer.
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

// abandon is for an attempt that takes longer than it may: by its limit, or because the session ends, which waits a
// moment for the card to be let go.
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

// Pending returns how the readers are whose card is not let go yet, by name.
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
