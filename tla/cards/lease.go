package cards

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"tlagate/session"
	"tlagate/tla/atr"
	"tlagate/tla/cards/internal/pcsc"
	"tlagate/tla/pin"
)

// Lease is a card that was taken exclusively: the session.Card of one insertion. PC/SC calls can block without limit,
// so a goroutine of its own makes them, and callers wait no longer than Limits.Command.
type Lease struct {
	Of       Occupant
	ATR      []byte
	Protocol session.Protocol

	limits   Limits
	command  atomic.Int64 // when the card last got a command, Unix time in ns; 0 = not yet
	used     atomic.Bool  // by commands of the relay itself, since it was taken or reset
	declines declines

	ctx    pcsc.Context // used by the goroutine only
	card   pcsc.Card    // likewise
	makeT1 bool         // likewise: the card speaks T=0, and programs expect T=1

	jobs chan job
	over chan struct{} // closed when the card is lost or released
	quit chan struct{} // closed when it is released
	done chan struct{} // closed when the card is powered down
	free chan struct{} // closed by the taker after done, when the reader may be tried again

	overOnce, quitOnce sync.Once
}

// job is one PC/SC call to make; its result goes to reply, unless gone is closed first.
type job struct {
	call  func() ([]byte, error)
	reply chan result
	gone  chan struct{}
}

type result struct {
	body []byte
	err  error
}

// errSwapped says that the card is not the one that was seen.
var errSwapped = errors.New("the card was changed while it was being taken")

// take takes a card and resets it, so that nothing remains of what the card allowed an earlier program. It can block
// without limit.
func take(service pcsc.Service, o Occupant, limits Limits, declined func(int64, error)) (*Lease, error) {
	ctx, err := service.Establish()
	if err != nil {
		return nil, err
	}
	l := &Lease{Of: o, ctx: ctx, limits: limits, declines: declines{many: declined}, jobs: make(chan job),
		over: make(chan struct{}), quit: make(chan struct{}), done: make(chan struct{}), free: make(chan struct{})}
	if err := l.begin(); err != nil {
		ctx.Release()
		return nil, err
	}
	go l.work()
	return l, nil
}

func (l *Lease) begin() (err error) {
	if l.card, err = l.ctx.Connect(l.Of.Reader); err != nil {
		return err
	}
	if l.ATR, l.Protocol, err = l.refresh(session.ResetCold); err == nil {
		err = l.checkKind()
	}
	if err != nil {
		_ = l.card.PowerDown()
	}
	return err
}

// refresh resets the card and reads its ATR. In PC/SC a reset revives the handle of a removed card, for whichever card
// is in the reader then; the count of insertions shows that it is another.
func (l *Lease) refresh(kind session.ResetKind) ([]byte, session.Protocol, error) {
	if err := l.checkSame(); err != nil {
		return nil, 0, err
	}
	if err := l.card.Reset(kind); err != nil {
		return nil, 0, err
	}
	answer, p, err := l.card.Status()
	if err == nil {
		l.makeT1 = p == session.T0 && atr.PrefersT1(answer)
		err = l.checkSame()
	}
	return answer, p, err
}

func (l *Lease) checkSame() error {
	looks := []pcsc.Look{{Reader: l.Of.Reader}}
	if err := l.ctx.Wait(looks, 0); err != nil && !errors.Is(err, pcsc.ErrTimeout) {
		return err
	}
	if !l.same(looks[0]) {
		return fmt.Errorf("%w: %w", session.ErrCardLost, errSwapped)
	}
	return nil
}

// same reports whether seen shows the insertion of the lease.
func (l *Lease) same(seen pcsc.Look) bool {
	return seen.Event&pcsc.Present != 0 && seen.Event>>pcsc.CounterShift == l.Of.counter
}

func (l *Lease) checkKind() error {
	if kind, _, _ := identify(l.ATR); kind != l.Of.Kind {
		return errSwapped
	}
	return nil
}

// LastCommand returns when the card last got a command; zero = not yet.
func (l *Lease) LastCommand() (at time.Time) {
	if ns := l.command.Load(); ns != 0 {
		at = time.Unix(0, ns)
	}
	return at
}

// Transmit implements session.Card. A reader whose card goes away during a command returns an empty answer.
func (l *Lease) Transmit(apdu []byte) ([]byte, error) {
	l.command.Store(time.Now().UnixNano())
	own := append([]byte(nil), apdu...) // the caller may return first, and wipe its own
	return l.do(func() ([]byte, error) {
		defer clear(own)
		answer, err := l.transmit(own)
		if err = short(answer, err); err == nil {
			l.declines.none()
		}
		return answer, err
	})
}

func (l *Lease) transmit(apdu []byte) ([]byte, error) {
	if l.makeT1 {
		return asT1(l.card.Transmit, apdu)
	}
	return l.card.Transmit(apdu)
}

// Verify sends a VERIFY whose PIN was typed at the terminal, and not at the reader (VerifyOnPad). The side that has the
// command last wipes it: PC/SC may still use it when the caller has returned.
func (l *Lease) Verify(command *pin.Command) ([]byte, error) {
	var taken atomic.Bool
	defer func() {
		if taken.CompareAndSwap(false, true) {
			command.Wipe()
		}
	}()
	return l.do(func() ([]byte, error) {
		if !taken.CompareAndSwap(false, true) {
			return nil, session.ErrCardLost
		}
		defer command.Wipe()
		sw, err := l.card.Transmit(command.APDU())
		return sw, alone(sw, short(sw, err))
	})
}

// alone returns err, or that what a VERIFY was answered is more than a status word.
func alone(sw []byte, err error) error {
	if err == nil && len(sw) != session.MinResponse {
		err = fmt.Errorf("cannot have the PIN verified: %d octets were answered, want a status word", len(sw))
	}
	return err
}

// Reset implements session.Card. PC/SC powers a card that was powered off again at once: only what it had allowed is
// gone.
func (l *Lease) Reset(kind session.ResetKind) ([]byte, error) {
	answer, err := l.do(func() ([]byte, error) {
		answer, _, err := l.refresh(kind)
		return answer, err
	})
	if err == nil {
		l.used.Store(false)
	}
	if kind == session.PowerOff {
		answer = nil
	}
	return answer, err
}

// do has the goroutine make a call. If the card is released or too slow, what became of the call is unknown.
func (l *Lease) do(call func() ([]byte, error)) ([]byte, error) {
	j := job{func() ([]byte, error) { return l.judged(call()) }, make(chan result), make(chan struct{})}
	timer := time.NewTimer(l.limits.Command)
	defer timer.Stop()
	jobs := l.jobs
	for {
		select {
		case jobs <- j:
			jobs = nil
		case r := <-j.reply:
			if errors.Is(r.err, session.ErrCardLost) {
				l.finish()
			}
			return r.body, r.err
		case <-l.quit:
			close(j.gone)
			return nil, session.ErrCardLost
		case <-timer.C:
			close(j.gone)
			l.finish()
			return nil, fmt.Errorf("%w: no answer within %v", session.ErrCardLost, l.limits.Command)
		}
	}
}

// work makes the calls until the card is released, then powers it down.
func (l *Lease) work() {
	defer close(l.done)
	defer l.ctx.Release()
	defer func() { _ = l.card.PowerDown() }() // fails when the card is out already
	for {
		select {
		case <-l.quit:
			return
		default:
		}
		select {
		case <-l.quit:
		case j := <-l.jobs:
			j.run()
		}
	}
}

func (j job) run() {
	body, err := j.call()
	select {
	case j.reply <- result{body, err}:
	case <-j.gone:
		clear(body)
	}
}

// Over returns a channel that is closed when the card is lost or released: it answers no more.
func (l *Lease) Over() <-chan struct{} { return l.over }

func (l *Lease) finish() { l.overOnce.Do(func() { close(l.over) }) }

// Release powers the card down; commands under way return session.ErrCardLost. It reports whether that was done within
// Limits.Release; if not, it will be done when the reader answers.
func (l *Lease) Release() bool {
	l.letGo()
	select {
	case <-l.free:
		return true
	case <-time.After(l.limits.Release):
		return false
	}
}

// letGo has the card powered down, at once or when the call under way ends, and does not wait for it. l may be nil.
func (l *Lease) letGo() {
	if l == nil {
		return
	}
	l.quitOnce.Do(func() { close(l.quit) })
	l.finish()
}
