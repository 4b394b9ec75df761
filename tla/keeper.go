package tla

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"tlagate/session"
	"tlagate/tla/policy"
)

const retakeTime = 500 * time.Millisecond // between two tries to take a card

// Hold says how a session has a card.
type Hold string

// The holds.
const (
	HoldNone   Hold = ""       // not tried
	HoldTaken  Hold = "held"   // exclusively
	HoldBusy   Hold = "busy"   // another program has it
	HoldStuck  Hold = "stuck"  // the reader does not answer
	HoldFailed Hold = "failed" // anything else
)

// hand is what a keeper has.
type hand struct {
	insertion uint64 // of which card
	hold      Hold
	used      *use // of a card that is held
}

// use is when a card last got a command, and how its reader fares with them.
type use struct {
	at       atomic.Int64 // ns
	declines declines
}

func (u *use) now() { u.at.Store(time.Now().UnixNano()) }

// last is zero before the first.
func (u *use) last() (at time.Time) {
	if u == nil || u.at.Load() == 0 {
		return at
	}
	return time.Unix(0, u.at.Load())
}

// declined is zero of a card that is not held.
func (u *use) declined() int64 {
	if u == nil {
		return 0
	}
	return u.declines.now()
}

// keeper follows one slot during one session: it takes the card that belongs there, shows it to the PdT, and lets it
// go when it is out, swapped or lost.
type keeper struct {
	slot     session.Slot
	readers  *Readers
	holder   *holder
	log      *slog.Logger
	attach   chan *session.Terminal // capacity 1: the PdT, once it can be told
	policy   *policy.Policy
	refused  func(session.Slot, policy.Verdict) // told of each command that the policy stops
	verifier func(*held) *verifier
	shown    atomic.Pointer[hand] // for the status

	terminal *session.Terminal // owned by run, as is what follows
	held     *held
}

// run keeps the slot until ctx ends, then powers the card down.
func (k *keeper) run(ctx context.Context) {
	defer k.drop()
	for ctx.Err() == nil {
		seats, changed := k.readers.now()
		retry := k.settle(ctx, seats[k.slot])
		select {
		case <-ctx.Done():
		case <-changed:
		case <-retry:
		case <-k.lost():
			k.log.Warn("card lost: removed, or its reader fails", "slot", k.slot.String())
			k.hide()
		case k.terminal = <-k.attach:
			k.show()
		}
	}
}

// settle makes what is held what belongs in the slot; not nil: when to try again.
func (k *keeper) settle(ctx context.Context, s *seat) <-chan time.Time {
	if k.held != nil && (s == nil || k.held.seat != *s) {
		k.hide()
	}
	if k.held != nil || s == nil {
		return nil
	}
	h, err := k.holder.take(ctx, *s)
	if err != nil {
		k.note(s, err)
		return time.After(retakeTime)
	}
	h.used.declines.many = k.noteDeclines(s) // before the first command
	k.held = h
	k.note(s, nil)
	k.show()
	return nil
}

func (k *keeper) lost() <-chan struct{} {
	if k.held == nil {
		return nil
	}
	return k.held.lost
}

// show tells the PdT of the card. An error is one of the connection: the session ends by it.
func (k *keeper) show() {
	if k.terminal == nil || k.held == nil {
		return
	}
	guard := k.policy.Guard(k.held, k.held.atr, policy.Hooks{
		Refused: func(v policy.Verdict) { k.refused(k.slot, v) },
		Verify:  k.verifier(k.held).verify,
	})
	if err := k.terminal.Insert(k.slot, k.held.atr, k.held.protocol, guard); err != nil {
		k.log.Debug("card not shown", "slot", k.slot.String(), "error", err)
	}
}

// hide tells the PdT that the card is gone, and lets it go.
func (k *keeper) hide() {
	if k.terminal != nil {
		_ = k.terminal.Remove(k.slot) // as in show
	}
	k.drop()
}

// drop powers the card down; commands under way get session.ErrCardLost.
func (k *keeper) drop() {
	if k.held == nil {
		return
	}
	k.held.release()
	select {
	case <-k.held.free:
	case <-time.After(k.holder.release):
		k.log.Error("card will be powered down when its reader answers", "reader", k.held.seat.reader)
	}
	k.held = nil
	k.shown.Store(nil)
}

// note keeps and logs how the card is had, when that is new.
func (k *keeper) note(s *seat, err error) {
	now := &hand{insertion: s.number, hold: holdOf(err)}
	if err == nil {
		now.used = &k.held.used
	}
	before := k.shown.Swap(now)
	if (before != nil && *before == *now) || errors.Is(err, context.Canceled) {
		return
	}
	if err == nil {
		k.log.Info("card held", "slot", k.slot.String(), "reader", s.reader, "kind", s.kind)
		if !k.policy.Knows(s.atr) {
			k.log.Warn("card of no use: the card policy has no profile for it", "slot", k.slot.String(), "reader", s.reader, "atr", s.atr)
		}
		return
	}
	k.log.Warn("cannot hold the card; trying again", "slot", k.slot.String(), "reader", s.reader, "error", err)
}

func holdOf(err error) Hold {
	switch {
	case err == nil:
		return HoldTaken
	case errors.Is(err, errHeldByOther):
		return HoldBusy
	case errors.Is(err, errReaderStuck):
		return HoldStuck
	}
	return HoldFailed
}
