package tla

import (
	"context"
	"errors"
	"time"
)

// lookTime bounds a look at what a call is waiting for.
const lookTime = time.Second

// blocked says what an attempt at a reader waits for, and keeps it: another program, whose transaction PC/SC has it wait for,
// or the reader.
func (o *holder) blocked(reader string) (why error) {
	why = errReaderStuck
	select {
	case why = <-o.lookOnce(reader):
	case <-time.After(lookTime):
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if a := o.attempts[reader]; a != nil {
		a.why = why
	}
	return why
}

// lookOnce looks at a reader that is being tried; one look at a time: what PC/SC does not answer must not pile up.
func (o *holder) lookOnce(reader string) <-chan error {
	o.mu.Lock()
	defer o.mu.Unlock()
	seen := make(chan error, 1)
	a := o.attempts[reader]
	if a == nil || a.looking {
		seen <- errReaderStuck
		return seen
	}
	a.looking = true
	go func() {
		why := heldBy(o.service, reader)
		o.mu.Lock()
		defer o.mu.Unlock()
		a.looking = false
		seen <- why
	}()
	return seen
}

// heldBy tells a reader that another program uses, which for us is never exclusively, from one that does not answer.
func heldBy(service pcsc, reader string) error {
	ctx, err := service.establish()
	if err != nil {
		return errReaderStuck
	}
	defer ctx.release()
	looks := []look{{reader: reader}}
	if err := ctx.wait(looks, 0); err != nil && !errors.Is(err, errTimeout) {
		return errReaderStuck
	}
	if looks[0].event&(stateInUse|stateExclusive) == stateInUse {
		return errHeldByOther
	}
	return errReaderStuck
}

// abandon is for an attempt that takes longer than it may: by its limit, or because the session ends, which waits a moment for
// the card to be let go.
func (o *holder) abandon(ctx context.Context, a *attempted, reader string) error {
	cause, why := context.Cause(ctx), o.blocked(reader)
	if errors.Is(cause, errReaderStuck) {
		return why
	}
	if errors.Is(why, errReaderStuck) {
		select {
		case <-a.over:
		case <-time.After(o.release):
		}
	}
	return cause
}

// pending says of the readers that are still not let go how they are.
func (o *holder) pending() map[string]Hold {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := map[string]Hold{}
	for reader, a := range o.attempts {
		all[reader] = HoldStuck
		if errors.Is(a.why, errHeldByOther) {
			all[reader] = HoldBusy
		}
	}
	return all
}
