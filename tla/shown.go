package tla

import (
	"context"
	"time"

	"tlagate/session"
	"tlagate/tla/cards"
)

// shown records that programs at the PdT now see the card of a slot.
func (l *live) shown(slot session.Slot) {
	l.log.Info("programs at the PdT see the card", "slot", slot.String())
	select {
	case l.seen <- struct{}{}:
	default:
	}
}

// shows reports whether programs at the PdT see a card; nil = there is no session, or the PdT does not tell.
func (l *live) shows(slot session.Slot, number uint64) *bool {
	if l == nil || !l.wasUp() {
		return nil
	}
	t := l.route.Load().terminal
	if !t.TellsShown() {
		return nil
	}
	c := l.cardState(slot, number)
	seen := c != nil && c.hold == cards.HoldTaken && t.Shown(slot)
	return &seen
}

// awaitShown waits until programs at the PdT see the cards that are in, or Timers.Shown is over. The error says why the
// session ended meanwhile.
func (l *live) awaitShown(ctx context.Context) error {
	limit := time.NewTimer(l.cfg.Timers.Shown)
	defer limit.Stop()
	for {
		occupants, changed := l.readers.Now()
		if l.showsAll(occupants) {
			return nil
		}
		select {
		case <-l.seen:
		case <-changed:
		case <-limit.C:
			return nil
		case <-ctx.Done():
			return nil
		case <-l.over:
			return l.why()
		}
	}
}

// showsAll reports whether there is no card that programs at the PdT are known not to see.
func (l *live) showsAll(occupants [session.Slots]*cards.Occupant) bool {
	for slot, o := range occupants {
		if o == nil {
			continue
		}
		if seen := l.shows(session.Slot(slot), o.Number); seen != nil && !*seen {
			return false
		}
	}
	return true
}
