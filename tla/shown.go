package tla

import (
	"context"
	"time"

	"tlagate/session"
)

// shown: programs at the PdT see the card of a slot now.
func (l *live) shown(slot session.Slot) {
	l.log.Info("programs at the PdT see the card", "slot", slot.String())
	select {
	case l.seen <- struct{}{}:
	default:
	}
}

// shows tells whether programs at the PdT see a card; nil = the PdT does not tell.
func (l *live) shows(slot session.Slot, number uint64) *bool {
	if l == nil || !l.wasUp() {
		return nil
	}
	t := l.line.Load().terminal
	if !t.TellsShown() {
		return nil
	}
	h := l.hand(slot, number)
	seen := h != nil && h.hold == HoldTaken && t.Shown(slot)
	return &seen
}

// awaitShown waits until programs at the PdT see the cards that are in; its error says that the session is over.
func (l *live) awaitShown(ctx context.Context) error {
	limit := time.NewTimer(l.cfg.Timers.Shown)
	defer limit.Stop()
	for {
		seats, changed := l.readers.now()
		if l.showsAll(seats) {
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

// showsAll tells whether there is no card that programs at the PdT are known not to see.
func (l *live) showsAll(seats [session.Slots]*seat) bool {
	for slot, s := range seats {
		if s == nil {
			continue
		}
		if seen := l.shows(session.Slot(slot), s.number); seen != nil && !*seen {
			return false
		}
	}
	return true
}
