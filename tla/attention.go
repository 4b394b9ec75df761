package tla

import (
	"sync/atomic"
	"time"

	"tlagate/tla/cards"
)

// attention is who used the session last (SA4): a session without a command ends, and so does one without its user,
// whatever programs do.
type attention struct {
	command atomic.Pointer[time.Time] // the last command, or act of the user
	human   atomic.Pointer[time.Time] // the last act of the user
	readers *cards.Readers
	cards   cards.View // as last looked at, first when the user said start; owned by watch
}

// commanded: a command came.
func (a *attention) commanded() {
	now := time.Now()
	a.command.Store(&now)
}

// acted: the user did something at the terminal: a start, a stay, a PIN, a key, a card in or out. It keeps the session
// as a command does, too.
func (a *attention) acted() {
	now := time.Now()
	a.command.Store(&now)
	a.human.Store(&now)
}

// look sees whether a card came or went since the last look; the channel is closed when it may be worth another.
func (a *attention) look() <-chan struct{} {
	_, changed := a.readers.Now()
	now := a.readers.View()
	if a.cards.Moved(now) {
		a.acted()
	}
	a.cards = now
	return changed
}

// Ask says that the session ends unless its user acts: the user is asked whether somebody is still there (SA4).
type Ask struct {
	Until time.Time `json:"until"`
}

// Warning says that the session is about to end, and what its end will be called.
type Warning struct {
	Code Code      `json:"code"` // CodeTimeOver, CodeInactive, CodeAbsent or CodeExpired
	At   time.Time `json:"at"`
}

// foresee tells the user of the ends that are near.
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

// CodeNoSession answers a stay without a session that is up.
const CodeNoSession Code = "no_session"

// Stay is the user's word to be still there; the error is a *Why.
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
