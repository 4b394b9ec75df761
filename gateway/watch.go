package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"tlagate/pki/trust"

	"tlagate/pki"
	"tlagate/session/link"
)

// watcher cuts every proven peer as soon as one of its certificates no longer passes (C2).
type watcher struct {
	trust   *trust.Trust
	clients *clientTable
	every   time.Duration // between two looks, at most
	meters  *meters
	record  *trace
	g       *Gateway
	log     *slog.Logger
	wake    chan struct{} // capacity 1: a certificate ends before the next look

	mu       sync.Mutex // protects nextLook
	nextLook time.Time  // zero while run looks
}

func newWatcher(g *Gateway) *watcher {
	return &watcher{trust: g.party.Trust, clients: g.clients, every: g.limits.Recheck, meters: g.meters,
		record: g.trace, g: g, log: g.log, wake: make(chan struct{}, 1)}
}

// run checks every peer again when revocation data change, when a certificate ends, and every Limits.Recheck, since
// nothing tells that a CRL became stale or a clock was set.
func (w *watcher) run(ctx context.Context) {
	for {
		changed := w.trust.Updated() // before the look, or a change during it would be missed; denials: see runDenials
		persons := w.g.users.Load().changed()
		timer := time.NewTimer(w.recheckAll())
		select {
		case <-changed:
			w.log.Info("revocation data changed: all peers are checked again")
		case <-persons:
			w.log.Info("revocation data of persons changed: all peers are checked again")
		case <-w.wake:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
	}
}

// runDenials cuts at once the peers whom a pushed revocation concerns. It looks each peer up and rechecks only the few
// it finds: run, which rechecks everybody after any change, may be busy with the change before.
func (w *watcher) runDenials(ctx context.Context) {
	for {
		denied := w.trust.Denials() // before the look, or one during it would be missed
		for _, c := range w.clients.all() {
			if w.isDenied(c) {
				w.recheck(c)
			}
		}
		select {
		case <-denied:
		case <-ctx.Done():
			return
		}
	}
}

// cutDenied cuts the peers whom an operator denies.
func (w *watcher) cutDenied() {
	for _, c := range w.clients.all() {
		if w.g.state.Denies(c.peer.Identity) {
			w.cut(c, deniedError(c))
		}
	}
}

// isDenied reports whether the deny list names one of a client's certificates, or a CA's above them.
func (w *watcher) isDenied(c *client) bool {
	if w.trust.Denies(c.peer.Verdict.Path) {
		return true
	}
	d := c.declared()
	return d != nil && w.trust.Denies(d.path)
}

// soonest keeps a clock that stands still from making run spin.
const soonest = 100 * time.Millisecond

// recheckAll cuts every connection whose certificates no longer pass, and returns the time until the next look.
func (w *watcher) recheckAll() time.Duration {
	next := w.every
	w.setNextLook(time.Time{})
	all := w.clients.all()
	for _, c := range all {
		if w.recheck(c) {
			next = min(next, max(time.Until(c.notAfter()), soonest))
		}
	}
	w.setNextLook(time.Now().Add(next))
	w.log.Debug("peers checked again", "connections", len(all), "next", next)
	return next
}

func (w *watcher) setNextLook(at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.nextLook = at
}

// adopt checks a client with a certificate that nobody has watched yet, and sees to it that run watches it from now on.
func (w *watcher) adopt(c *client) {
	if !w.recheck(c) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.notAfter().After(w.nextLook) && !w.nextLook.IsZero() {
		return
	}
	select {
	case w.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// recheck cuts a connection whose certificates no longer pass, and reports whether they do.
func (w *watcher) recheck(c *client) bool {
	if w.g.state.Denies(c.peer.Identity) {
		w.cut(c, deniedError(c))
		return false
	}
	if err := w.trust.Recheck(c.peer); err != nil {
		w.cut(c, err)
		return false
	}
	if d := c.declared(); d != nil {
		if err := d.verify(w.trust); err != nil {
			w.cut(c, err)
			return false
		}
	}
	return w.recheckUser(c)
}

// recheckUser ends the session of a TLA whose user no longer passes, and reports whether they do.
func (w *watcher) recheckUser(c *client) bool {
	e := c.end.Load()
	if e == nil {
		return true
	}
	s := e.session.Load()
	if s == nil || e != s.tla || s.isOver() {
		return true
	}
	if err := w.g.users.Load().recheck(s); err != nil {
		w.cutUser(s, pki.ReasonOf(err))
		return false
	}
	return true
}

// cutUser ends a session because of its user. Only the word for why is told: the rest names the person.
func (w *watcher) cutUser(s *session, reason pki.Reason) {
	if !s.tla.cut.CompareAndSwap(false, true) {
		return
	}
	n := numbered(link.Notice{Code: link.CodeUserRevoked,
		Text: fmt.Sprintf("The certificate of the terminal's user no longer passes: %s.", reason)}, string(reason))
	c := s.tla.client
	w.meters.cuts.WithLabelValues(string(reason)).Inc()
	w.record.cutUser(s, reason, n.Incident)
	w.g.lately.cut(c, reason, n.Incident)
	w.log.Warn("session cut because of its user", "session", s.id, "remote", c.remote, "peer", c.identity(),
		"reason", string(reason), "incident", n.Incident)
	s.end(n, string(n.Code), "gateway")
}

// cut ends what a client takes part in, and says whose certificate it was and why.
func (w *watcher) cut(c *client, err error) {
	reason := pki.ReasonOf(err)
	e := c.end.Load()
	if e == nil {
		if c.cut.CompareAndSwap(false, true) {
			w.report("connection cut", c, reason, err, "")
			go c.conn.Close() // may take a while, if the peer does not read
		}
		return
	}
	if !e.cut.CompareAndSwap(false, true) {
		return
	}
	n := link.Notice{Code: link.CodeRevoked,
		Text: fmt.Sprintf("The certificate of %s no longer passes: %s.", c.identity(), reason)}
	if reason == pki.Expired {
		n = link.Notice{Code: link.CodeExpired, Text: fmt.Sprintf("The certificate of %s has ended.", c.identity())}
	}
	n = numbered(n, string(reason))
	w.report("link cut", c, reason, err, n.Incident)
	e.end(n, string(reason))
}

func (w *watcher) report(what string, c *client, reason pki.Reason, err error, incident string) {
	w.meters.cuts.WithLabelValues(string(reason)).Inc()
	w.record.cut(c, err, incident)
	w.g.lately.cut(c, reason, incident)
	w.log.Warn(what, "remote", c.remote, "peer", c.identity(), "reason", string(reason), "error", err,
		"incident", incident)
}
