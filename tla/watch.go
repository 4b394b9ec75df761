package tla

import (
	"context"
	"time"

	"tlagate/pki"
	"tlagate/pki/trust"
)

// clockTime bounds how long an overdue limit goes unnoticed after the machine slept or its clock was set.
const clockTime = 30 * time.Second

// watch ends the session at its limits, and when a peer would no longer be accepted.
func (l *live) watch() {
	started := time.Now()
	l.cfg.Clock.accepted()
	for l.ctx.Err() == nil {
		l.cfg.Clock.Save()
		changed := l.cfg.Party.Trust.Changed() // before looking, to miss none
		cards := l.look()
		if w := l.overdue(started, time.Now()); w != nil {
			l.end(w)
		} else if w := l.recheck(l.route.Load().peers); w != nil {
			l.end(w)
		}
		l.wait(changed, cards, started)
	}
}

// limit is a time at which the session ends, and why.
type limit struct {
	at  time.Time
	why Why
}

func (l *live) limits(started, now time.Time) []limit {
	t := l.cfg.Timers
	list := []limit{
		{after(started, t.Absolute, now), Why{Code: CodeTimeOver}},
		{after(*l.command.Load(), t.Inactive, now), Why{Code: CodeInactive}},
		{after(*l.human.Load(), t.Human, now), Why{Code: CodeAbsent}},
		{l.own.NotAfter, Why{Code: CodeExpired, Reason: string(pki.Expired)}},
	}
	if since, out := l.user.absence(); out {
		list = append(list, limit{after(since, l.user.outTime(), now), Why{Code: CodeCardOut}})
	}
	return list
}

// after returns when d will have passed since then, by the faster of two clocks: one stands still while the machine
// sleeps, the other may be set.
func after(since time.Time, d time.Duration, now time.Time) time.Time {
	gone := max(now.Sub(since), now.Round(0).Sub(since.Round(0)))
	return now.Add(d - gone)
}

func (l *live) overdue(started, now time.Time) *Why {
	for _, lim := range l.limits(started, now) {
		if !now.Before(lim.at) {
			return &lim.why
		}
	}
	return nil
}

// recheck checks the peers again, with the present revocation data and time.
func (l *live) recheck(peers []*trust.Peer) *Why {
	for _, p := range peers {
		if err := l.cfg.Party.Trust.Recheck(p); err != nil {
			w := explain(err)
			w.Peer = p.Identity.String()
			w = l.cfg.Clock.named(w)
			l.log.Warn("peer no longer accepted", "reason", w.Reason, "peer", w.Peer, "detail", w.Detail)
			return w
		}
	}
	return nil
}

// wait returns at the next limit, at a change of revocation data or cards, or at the end of the session.
func (l *live) wait(changed, cards <-chan struct{}, started time.Time) {
	next, now := clockTime, time.Now()
	for _, lim := range l.limits(started, now) {
		next = min(next, lim.at.Sub(now))
	}
	ctx, cancel := context.WithTimeout(l.ctx, max(next, time.Millisecond))
	defer cancel()
	select {
	case <-changed:
	case <-cards:
	case <-l.user.changed:
	case <-ctx.Done():
	}
}
