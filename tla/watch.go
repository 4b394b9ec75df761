package tla

import (
	"context"
	"time"

	"tlagate/pki"
)

// clockTime bounds how long a limit is overlooked when the machine slept or its clock was set.
const clockTime = 30 * time.Second

// watch ends the session at its limits, and when a peer would no longer be accepted.
func (l *live) watch() {
	started := time.Now()
	for l.ctx.Err() == nil {
		changed := l.cfg.Party.Trust.Changed() // before looking, to miss none
		if w := l.overdue(started, time.Now()); w != nil {
			l.end(w)
		} else if w := l.recheck(l.line.Load().peers); w != nil {
			l.end(w)
		}
		l.wait(changed, started)
	}
}

// limit is a time by which a session ends, and what its end is called.
type limit struct {
	at  time.Time
	why Why
}

func (l *live) limits(started time.Time) []limit {
	last := time.Unix(0, l.command.Load())
	return []limit{
		{started.Add(l.cfg.Timers.Absolute), Why{Code: CodeTimeOver}},
		{last.Add(l.cfg.Timers.Inactive), Why{Code: CodeInactive}},
		{l.own.NotAfter, Why{Code: CodeExpired, Reason: string(pki.Expired)}},
	}
}

func (l *live) overdue(started, now time.Time) *Why {
	for _, lim := range l.limits(started) {
		if !now.Before(lim.at) {
			return &lim.why
		}
	}
	return nil
}

// recheck verifies the peers with the present revocation data and time.
func (l *live) recheck(peers []*pki.Peer) *Why {
	for _, p := range peers {
		if err := l.cfg.Party.Trust.Recheck(p); err != nil {
			w := explain(err)
			w.Peer = p.Identity.String()
			l.log.Warn("peer no longer accepted", "reason", w.Reason, "peer", w.Peer, "detail", w.Detail)
			return w
		}
	}
	return nil
}

// wait returns at the next limit, change of revocation data, or end.
func (l *live) wait(changed <-chan struct{}, started time.Time) {
	next := clockTime
	for _, lim := range l.limits(started) {
		next = min(next, time.Until(lim.at))
	}
	ctx, cancel := context.WithTimeout(l.ctx, max(next, time.Millisecond))
	defer cancel()
	select {
	case <-changed:
	case <-ctx.Done():
	}
}
