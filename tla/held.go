package tla

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"tlagate/session"
)

// held is a card held exclusively: the session.Card of one insertion. PC/SC calls can block without limit, so a
// goroutine of its own makes them and callers wait no longer than limit.
type held struct {
	seat     seat
	atr      []byte
	protocol session.Protocol
	limit    time.Duration // of one command or reset
	used     use

	ctx    pcscContext // used by the goroutine only
	card   pcscCard    // likewise
	makeT1 bool        // likewise: T=0 is spoken, and programs take it for T=1

	jobs chan job
	lost chan struct{} // closed when the hold is no longer good
	quit chan struct{} // closed by release
	done chan struct{} // closed when the card is powered down
	free chan struct{} // closed by the holder when, after that, its reader may be tried again

	loseOnce, quitOnce sync.Once
}

// job is one call to make; its result goes to reply, unless gone is closed first.
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

// hold takes the card of a seat and resets it, so that nothing an earlier program was allowed remains.
// It can block without limit.
func hold(service pcsc, s seat, limit time.Duration) (*held, error) {
	ctx, err := service.establish()
	if err != nil {
		return nil, err
	}
	h := &held{seat: s, ctx: ctx, limit: limit, jobs: make(chan job),
		lost: make(chan struct{}), quit: make(chan struct{}), done: make(chan struct{}), free: make(chan struct{})}
	if err := h.take(); err != nil {
		ctx.release()
		return nil, err
	}
	go h.work()
	return h, nil
}

func (h *held) take() (err error) {
	if h.card, err = h.ctx.connect(h.seat.reader); err != nil {
		return err
	}
	if h.atr, h.protocol, err = h.refresh(session.ResetCold); err == nil {
		err = h.checkKind()
	}
	if err != nil {
		_ = h.card.powerDown()
	}
	return err
}

// refresh resets the card and reads its ATR. A reset of PC/SC revives the handle of a removed card for
// whichever card is there then; the count of insertions tells.
func (h *held) refresh(kind session.ResetKind) ([]byte, session.Protocol, error) {
	if err := h.checkSame(); err != nil {
		return nil, 0, err
	}
	if err := h.card.reset(kind); err != nil {
		return nil, 0, err
	}
	atr, p, err := h.card.status()
	if err == nil {
		h.makeT1 = p == session.T0 && prefersT1(atr)
		err = h.checkSame()
	}
	return atr, p, err
}

func (h *held) checkSame() error {
	looks := []look{{reader: h.seat.reader}}
	if err := h.ctx.wait(looks, 0); err != nil && !errors.Is(err, errTimeout) {
		return err
	}
	if !h.same(looks[0]) {
		return fmt.Errorf("%w: %w", session.ErrCardLost, errSwapped)
	}
	return nil
}

// same reports whether what is seen is the insertion that is held.
func (h *held) same(l look) bool {
	return l.event&statePresent != 0 && l.event>>counterShift == h.seat.counter
}

func (h *held) checkKind() error {
	if kind, _, _ := identify(h.atr); kind != h.seat.kind {
		return errSwapped
	}
	return nil
}

// Transmit implements session.Card. An empty answer is what a reader gives whose card went away under the command.
func (h *held) Transmit(apdu []byte) ([]byte, error) {
	h.used.now()
	own := append([]byte(nil), apdu...) // the caller may be gone first
	return h.do(func() ([]byte, error) {
		defer clear(own)
		answer, err := h.transmit(own)
		if err == nil && len(answer) < session.MinResponse {
			err = session.ErrCardLost
		}
		if err == nil {
			h.used.declines.none()
		}
		return answer, err
	})
}

func (h *held) transmit(apdu []byte) ([]byte, error) {
	if h.makeT1 {
		return asT1(h.card.transmit, apdu)
	}
	return h.card.transmit(apdu)
}

// Reset implements session.Card. A powered-off card is powered anew by PC/SC at once: what it had allowed is forgotten.
func (h *held) Reset(kind session.ResetKind) ([]byte, error) {
	atr, err := h.do(func() ([]byte, error) {
		atr, _, err := h.refresh(kind)
		return atr, err
	})
	if kind == session.PowerOff {
		atr = nil
	}
	return atr, err
}

// do has the goroutine make a call. When the card is released or too slow, nobody knows what became of it.
func (h *held) do(call func() ([]byte, error)) ([]byte, error) {
	j := job{func() ([]byte, error) { return h.judged(call()) }, make(chan result), make(chan struct{})}
	timer := time.NewTimer(h.limit)
	defer timer.Stop()
	jobs := h.jobs
	for {
		select {
		case jobs <- j:
			jobs = nil
		case r := <-j.reply:
			if errors.Is(r.err, session.ErrCardLost) {
				h.lose()
			}
			return r.body, r.err
		case <-h.quit:
			close(j.gone)
			return nil, session.ErrCardLost
		case <-timer.C:
			close(j.gone)
			h.lose()
			return nil, fmt.Errorf("%w: no answer within %v", session.ErrCardLost, h.limit)
		}
	}
}

// work makes the calls until the card is released, then powers it down.
func (h *held) work() {
	defer close(h.done)
	defer h.ctx.release()
	defer func() { _ = h.card.powerDown() }() // fails when the card is out already
	for {
		select {
		case <-h.quit:
			return
		default:
		}
		select {
		case <-h.quit:
		case j := <-h.jobs:
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

func (h *held) lose() { h.loseOnce.Do(func() { close(h.lost) }) }

// release powers the card down, at once or when the call under way ends; done tells.
func (h *held) release() { h.quitOnce.Do(func() { close(h.quit) }) }
