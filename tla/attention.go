package tla

import (
	"sync/atomic"
	"time"

	"tlagate/session"
	"tlagate/tla/cards"
)

// attention records when the session was last used, and by whom (SA4): a session without commands ends, and so does one
// without its user, whatever programs do.
type attention struct {
	command atomic.Pointer[time.Time] // the last command, or act of the user
	human   atomic.Pointer[time.Time] // the last act of the user
	readers *cards.Readers
	cards   cards.View // as last seen, at first when the user asked to start; owned by watch
}

// commanded records that a command came.
func (a *attention) commanded() {
	now := time.Now()
	a.command.Store(&now)
}

// acted records that the user did something at the terminal: a start, a stay, a PIN, a key, a card in or out. It keeps
// the session going as a command does, too.
func (a *attention) acted() {
	now := time.Now()
	a.command.Store(&now)
	a.human.Store(&now)
}

// look records an act if a card came or went since the last look, but for a card by which the user was authenticated:
// it is not taken out and put in to say that somebody is there. The channel is closed when another look is due.
func (l *live) look() <-chan struct{} {
	a := &l.attention
	_, changed := a.readers.Now()
	now := a.readers.View()
	if a.cards.Moved(now, func(c cards.Insertion) bool {
		return l.user.proven() && c.Usable && c.Slot == session.SlotCPS
	}) {
		a.acted()
	}
	a.cards = now
	return changed
}

// Ask asks the user whether somebody is still there (SA4): the session ends at Until unless its user acts.
type Ask struct {
	Until time.Time `json:"until"`
}

// Warning says that the session is about to end, and which code its end will have.
type Warning struct {
	Code Code      `json:"code"` // CodeTimeOver, CodeInactive, CodeAbsent or CodeExpired
	At   time.Time `json:"at"`
}

// foresee returns what the user is to be told of the ends that are near.
func (l *live) foresee(since, now time.Time) (ask *Ask, warning *Warning) {
	for _, lim := range l.limits(since, now) {
		left, at := lim.at.Sub(now), lim.at.Round(time.Second)
		if lim.why.Code == CodeAbsent && left <= l.cfg.Timers.Ask {
			ask = &Ask{at}
		}
		if left <= l.cfg.Timers.Warn && (warning == nil || at.Before(warning.At)) {
			warning = &Warning{lim.why.Code, at}
		}
	}
	return ask, warning
}

// CodeNoSession answers a stay when no session is up.
const CodeNoSession Code = "no_session"

// Stay records that the user is still there; the error is a *Why.
func (r *Relay) Stay(act Act) error {
	r.mu.Lock()
	l := r.live
	r.mu.Unlock()
	if l == nil || l.state() != StateUp && l.state() != StateReconnecting {
		return &Why{Code: CodeNoSession}
	}
	l.acted()
	l.log.Info("the user stays", "act", string(act.Kind), "by", act.By)
	return nil
}
