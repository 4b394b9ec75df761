package tla

import (
	"context"
	"errors"
	"log/slog"
	"sync"
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
	signed   func()                             // told of each that may have used the key of a proof
	executed *atomic.Uint64                     // counts the commands of programs that the card executes
	verifier func(*cards.Lease) *pinVerifier
	user     *user   // of the CPS card: whose it is; nil for others
	state    holding // for the status, and the user

	terminal *session.Terminal // owned by run, as is what follows
	lease    *cards.Lease
	shown    bool // lease, to the PdT
}

// holding is what a session has of a card now, for other goroutines.
type holding struct {
	mu      sync.Mutex // protects the rest
	now     *cardState
	changed chan struct{} // closed and replaced with now; nil = nobody waits
}

func (h *holding) get() (now *cardState, changed <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.changed == nil {
		h.changed = make(chan struct{})
	}
	return h.now, h.changed
}

// swap sets the present state and returns the one before.
func (h *holding) swap(now *cardState) (before *cardState) {
	h.mu.Lock()
	defer h.mu.Unlock()
	before, h.now = h.now, now
	if h.changed != nil {
		close(h.changed)
		h.changed = nil
	}
	return before
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
		}
	}
}

// settle takes the card that belongs in the slot, in place of any other, and shows it. The channel, unless nil, says
// when to try again.
func (p *presenter) settle(ctx context.Context, o *cards.Occupant) <-chan time.Time {
	if p.lease != nil && (o == nil || p.lease.Of != *o) {
		p.hide()
	}
	if o == nil {
		return nil
	}
	err := p.take(ctx, o)
	if err == nil {
		err = p.show()
	}
	if err != nil {
		p.drop()
		p.note(o, err)
		return time.After(retakeTime)
	}
	return nil
}

// take takes the card, unless the session has it.
func (p *presenter) take(ctx context.Context, o *cards.Occupant) (err error) {
	if p.lease != nil {
		return nil
	}
	if p.lease, err = p.taker.Take(ctx, *o, p.logDeclined(o)); err == nil {
		p.note(o, nil)
	}
	return err
}

func (p *presenter) lost() <-chan struct{} {
	if p.lease == nil {
		return nil
	}
	return p.lease.Over()
}

// show tells the PdT of the card, once there is a way to it. The card is as after a reset then: whatever it allowed the
// relay itself, it allows no program. The error says why the card cannot be shown; a connection that failed ends the
// session anyway.
func (p *presenter) show() error {
	if p.terminal == nil || p.shown {
		return nil
	}
	if ok, err := p.admitted(); err != nil || !ok {
		return err
	}
	if p.lease.Used() {
		if _, err := p.lease.Reset(session.ResetCold); err != nil {
			return err
		}
	}
	p.shown = true
	guard := p.policy.Guard(counted{p.lease, p.executed}, p.lease.ATR, policy.Hooks{
		Refused: func(v policy.Verdict) { p.refused(p.slot, v) },
		Verify:  p.verifier(p.lease).verify,
		Signed:  p.signed,
		Fetched: func() { p.executed.Add(1) },
	})
	if err := p.terminal.Insert(p.slot, p.lease.ATR, p.lease.Protocol, guard); err != nil {
		p.log.Debug("card not shown", "slot", p.slot.String(), "error", err)
	}
	return nil
}

// admitted reports whether the card may be shown at all; the error says that this cannot be found out now.
func (p *presenter) admitted() (bool, error) {
	if p.user == nil {
		return true, nil
	}
	return p.user.admits(p.lease)
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

// Ahead is as Transmit, for a prediction, which is not counted until a program gives its command.
func (c counted) Ahead(apdu []byte) ([]byte, error) { return c.Card.Transmit(apdu) }

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
	if p.user != nil {
		p.user.gone(p.lease)
	}
	p.lease, p.shown = nil, false
	p.state.swap(nil)
}

// note stores and logs what became of taking the card, if that is new.
func (p *presenter) note(o *cards.Occupant, err error) {
	now := &cardState{o.Number, cards.HoldOf(err), p.lease}
	before := p.state.swap(now)
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
