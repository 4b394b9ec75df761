package tla

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"tlagate/session"
	"tlagate/tla/cards"
	"tlagate/tla/policy"
)

const retakeTime = 500 * time.Millisecond // between two tries to take a card

// cardState is what a session has of a card.
type cardState struct {
	insertion uint64 // number of the card's insertion
	hold      cards.Hold
	lease     *cards.Lease // nil unless the card is taken
}

// presenter follows one slot during one session: it takes the card that belongs there, shows it to the PdT, and
// releases it when it is out, swapped or lost.
type presenter struct {
	slot     session.Slot
	readers  *cards.Readers
	taker    *cards.Taker
	log      *slog.Logger
	attach   chan *session.Terminal // capacity 1: the way to the PdT, once there is one
	policy   *policy.Policy
	refused  func(session.Slot, policy.Verdict) // told of each command that the policy stops
	executed *atomic.Uint64                     // counts the commands of programs that the card executes
	verifier func(*cards.Lease) *pinVerifier
	state    atomic.Pointer[cardState] // for the status

	terminal *session.Terminal // owned by run, as is what follows
	lease    *cards.Lease
}

// run follows the slot until ctx ends, then powers the card down.
func (p *presenter) run(ctx context.Context) {
	defer p.drop()
	for ctx.Err() == nil {
		occupants, changed := p.readers.Now()
		retry := p.settle(ctx, occupants[p.slot])
		select {
		case <-ctx.Done():
		case <-changed:
		case <-retry:
		case <-p.lost():
			p.log.Warn("card lost: removed, or its reader fails", "slot", p.slot.String())
			p.hide()
		case p.terminal = <-p.attach:
			p.show()
		}
	}
}

// settle takes the card that belongs in the slot, in place of any other. The channel, unless nil, says when to try
// again.
func (p *presenter) settle(ctx context.Context, o *cards.Occupant) <-chan time.Time {
	if p.lease != nil && (o == nil || p.lease.Of != *o) {
		p.hide()
	}
	if p.lease != nil || o == nil {
		return nil
	}
	l, err := p.taker.Take(ctx, *o, p.logDeclined(o))
	if err != nil {
		p.note(o, err)
		return time.After(retakeTime)
	}
	p.lease = l
	p.note(o, nil)
	p.show()
	return nil
}

func (p *presenter) lost() <-chan struct{} {
	if p.lease == nil {
		return nil
	}
	return p.lease.Over()
}

// show tells the PdT of the card. An error means that the connection failed, which ends the session anyway.
func (p *presenter) show() {
	if p.terminal == nil || p.lease == nil {
		return
	}
	guard := p.policy.Guard(counted{p.lease, p.executed}, p.lease.ATR, policy.Hooks{
		Refused: func(v policy.Verdict) { p.refused(p.slot, v) },
		Verify:  p.verifier(p.lease).verify,
	})
	if err := p.terminal.Insert(p.slot, p.lease.ATR, p.lease.Protocol, guard); err != nil {
		p.log.Debug("card not shown", "slot", p.slot.String(), "error", err)
	}
}

// counted is a card whose commands are counted.
type counted struct {
	session.Card
	executed *atomic.Uint64
}

func (c counted) Transmit(apdu []byte) ([]byte, error) {
	response, err := c.Card.Transmit(apdu)
	if err == nil {
		c.executed.Add(1)
	}
	return response, err
}

// hide tells the PdT that the card is gone, and releases it.
func (p *presenter) hide() {
	if p.terminal != nil {
		_ = p.terminal.Remove(p.slot) // as in show
	}
	p.drop()
}

// drop powers the card down; commands under way get session.ErrCardLost.
func (p *presenter) drop() {
	if p.lease == nil {
		return
	}
	if !p.lease.Release() {
		p.log.Error("card will be powered down when its reader answers", "reader", p.lease.Of.Reader)
	}
	p.lease = nil
	p.state.Store(nil)
}

// note stores and logs what became of taking the card, if that is new.
func (p *presenter) note(o *cards.Occupant, err error) {
	now := &cardState{o.Number, cards.HoldOf(err), p.lease}
	before := p.state.Swap(now)
	if (before != nil && *before == *now) || errors.Is(err, context.Canceled) {
		return
	}
	if err == nil {
		p.log.Info("card held", "slot", p.slot.String(), "reader", o.Reader, "kind", o.Kind)
		if !p.policy.Knows(o.ATR) {
			p.log.Warn("card of no use: the card policy has no profile for it", "slot", p.slot.String(),
				"reader", o.Reader, "atr", o.ATR)
		}
		return
	}
	p.log.Warn("cannot hold the card; trying again", "slot", p.slot.String(), "reader", o.Reader, "error", err)
}

// logDeclined returns what logs that the reader declines commands, and that it executes them again.
func (p *presenter) logDeclined(o *cards.Occupant) func(int64, error) {
	return func(row int64, err error) {
		if row == 0 {
			p.log.Info("the reader executes commands again", "slot", p.slot.String(), "reader", o.Reader)
			return
		}
		p.log.Warn("the reader declines command after command; the card is still in", "slot", p.slot.String(),
			"reader", o.Reader, "in_a_row", row, "error", err)
	}
}
