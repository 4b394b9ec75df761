package ifd

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"tlagate/pdt"
	"tlagate/session"
)

// plug is a card from one insertion, as the driver numbers them, to its removal.
type plug struct {
	card     *pdt.Card
	number   uint32
	ctx      context.Context // ends with the card
	powerOff time.Duration
	shown    atomic.Bool // the driver has powered it on, so that programs see it
	used     atomic.Bool // the driver has asked for something
	lost     chan error  // capacity 1: why it is of no more use to programs

	mu     sync.Mutex // of who uses card; protects the rest
	off    bool       // it was powered off: next comes a cold reset
	idle   *time.Timer
	closed bool
}

func newPlug(ctx context.Context, card *pdt.Card, number uint32, powerOff time.Duration) *plug {
	p := &plug{ctx: ctx, card: card, number: number, powerOff: powerOff, lost: make(chan error, 1)}
	p.idle = time.AfterFunc(time.Hour, p.rest)
	p.idle.Stop()
	return p
}

// wait waits until the card was removed, or is lost to programs, and returns why.
func (p *plug) wait() error {
	select {
	case <-p.ctx.Done():
		return p.ctx.Err()
	case err := <-p.lost:
		return err
	}
}

// close waits for what is under way, after which this insertion does nothing more with the card.
func (p *plug) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.idle.Stop()
}

// seen notes that programs see the card, and tells the terminal.
func (p *plug) seen() {
	p.shown.Store(true)
	p.card.Seen()
}

// do has the card do what is asked. linked ends when the driver goes away.
func (p *plug) do(linked context.Context, q request) (outcome, []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return gone, nil
	}
	p.used.Store(true)
	switch q.typ {
	case framePowerUp:
		return p.answerATR(p.powerUp())
	case framePowerDown:
		p.powerDown()
		return done, nil
	case frameReset:
		return p.answerATR(p.reset())
	}
	if err := p.powerUp(); err != nil {
		return p.judge(err), nil
	}
	return p.command(linked, q)
}

// powerUp makes a real cold reset of a power-on that follows a power-off: pcscd has one card after another's program
// powered off and on, and a reset that a program asked for looks the same.
func (p *plug) powerUp() error {
	if !p.off {
		return nil
	}
	p.idle.Stop()
	err := p.card.Reset(session.ResetCold)
	p.off = err != nil
	return err
}

// powerDown takes the power away, unless a power-on follows soon.
func (p *plug) powerDown() {
	p.off = true
	p.card.Unpower()
	p.idle.Reset(p.powerOff)
}

// rest tells the terminal that the card has no power.
func (p *plug) rest() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.off && !p.closed {
		p.judge(p.card.Reset(session.PowerOff))
	}
}

// reset is a warm reset. After one that failed, the card's state is not known.
func (p *plug) reset() error {
	if p.off {
		return p.powerUp()
	}
	err := p.card.Reset(session.ResetWarm)
	p.off = err != nil
	return err
}

func (p *plug) answerATR(err error) (outcome, []byte) {
	if err != nil {
		return p.judge(err), nil
	}
	return done, p.card.ATR()
}

// command has the card execute a command, or its terminal ask for a PIN.
func (p *plug) command(linked context.Context, q request) (outcome, []byte) {
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	defer context.AfterFunc(linked, cancel)()
	body, err := p.execute(ctx, q)
	if linked.Err() != nil {
		clear(body)
		return gone, nil // nobody waits for it, and that says nothing of the card
	}
	if err != nil {
		return p.judge(err), nil
	}
	return done, body
}

func (p *plug) execute(ctx context.Context, q request) ([]byte, error) {
	if q.typ == frameVerify {
		sw, err := p.card.Verify(ctx, [session.MinCommand]byte(q.data))
		return sw[:], err
	}
	if len(q.data) < session.MinCommand || len(q.data) > session.MaxCommand {
		return nil, session.Failed // no command: a reader would not execute it either
	}
	return p.card.Transmit(ctx, q.data)
}

// judge returns the outcome of what did not succeed. Unless only the terminal's reader failed, the card is of no more
// use to programs as it is.
func (p *plug) judge(err error) outcome {
	switch {
	case err == nil:
		return done
	case errors.Is(err, session.Failed):
		return failed
	}
	p.lose(err)
	return gone
}

// lose takes the card away from programs.
func (p *plug) lose(err error) {
	select {
	case p.lost <- err:
	default:
	}
}
