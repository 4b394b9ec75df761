package pdt

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"tlagate/pki"
	"tlagate/session"
	"tlagate/session/link"
)

// Why this side ends a session.
var (
	errTimeOver = errors.New("the session has reached its longest time")
	errGrace    = errors.New("the terminal did not come back in time after its link was lost")
	errReplaced = errors.New("the terminal has begun a new session")
)

// cardSession is one card session of a TLA that has proved itself, over one link after another.
type cardSession struct {
	s     *Service
	id    string
	tla   pki.Identity
	began time.Time
	user  person // set before it begins
	count counts
	w     *session.Workstation
	log   *slog.Logger
	limit *time.Timer
	end   sync.Once

	userTold atomic.Bool // the log was told that the user no longer passes, and the session goes on

	mu      sync.Mutex  // protects the rest
	way                 // the link of now, or the last one
	resumed int         // times
	lost    time.Time   // when the link was lost; zero = there is one
	number  string      // the incident number that the gateway gave that
	grace   *time.Timer // set when the link was lost: ends the session
	leaving error       // why this side ends the session; nil = it does not
	over    bool        // no card is shown any more
}

// way says by which gateway a link of the session came, and what its TLS agreed upon.
type way struct {
	gateway string
	tls     pki.Negotiated // of the card session
}

// is reports whether c is that session of that TLA; c may be nil.
func (c *cardSession) is(id string, tla pki.Identity) bool {
	return c != nil && c.id == id && c.tla == tla
}

// open reads the TLA's hello.
func (c *cardSession) open(conn net.Conn) error {
	if err := conn.SetReadDeadline(time.Now().Add(setUp)); err != nil {
		return err
	}
	w, err := session.OpenWorkstation(conn, session.WorkstationConfig{
		Session:  c.id,
		Timers:   session.Timers{Heartbeat: c.s.cfg.Heartbeat},
		Inserted: c.inserted,
		Removed:  c.removed,
		Shows:    c.s.shows(),
		Ahead:    c.s.cfg.Ahead,
	})
	if err != nil {
		return err
	}
	c.w = w
	return conn.SetReadDeadline(time.Time{})
}

// inserted and removed are called in the order of events, and must not block.
func (c *cardSession) inserted(n session.Slot, in session.Inserted) {
	c.log.Info("card inserted", "slot", n.String(), "epoch", in.Epoch)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return
	}
	c.s.slots[n].insert(newCard(context.Background(), n, in, c.w, &c.count))
}

func (c *cardSession) removed(n session.Slot) {
	c.log.Info("card removed", "slot", n.String())
	c.s.slots[n].clear()
}

// begin serves the session's first link until the link ends.
func (c *cardSession) begin(ctx context.Context) {
	c.log.Info("session begins")
	c.limit = time.AfterFunc(c.s.cfg.Limit, func() { c.leave(errTimeOver) })
	c.carry(ctx, 0, func() (bool, error) { return true, c.w.Serve(context.Background()) })
}

// resume serves a further link if the TLA proves that the session is its own; it calls proved once that is so.
func (c *cardSession) resume(ctx context.Context, proved func(), conn net.Conn, by way, generation uint32) {
	if err := conn.SetReadDeadline(time.Now().Add(setUp)); err != nil {
		return
	}
	c.carry(ctx, generation, func() (ours bool, err error) {
		err = c.w.Resume(context.Background(), conn, generation, func() {
			_ = conn.SetReadDeadline(time.Time{})
			proved()
			c.resumedOver(by)
			ours = true
		})
		return ours, err
	})
}

// carry serves one link, then ends the session or waits for the next link. serve reports whether the link became the
// session's.
func (c *cardSession) carry(ctx context.Context, generation uint32, serve func() (ours bool, err error)) {
	stop := context.AfterFunc(ctx, func() { c.leave(context.Cause(ctx)) })
	defer stop()
	if ours, err := serve(); c.isOver(ctx, generation, ours, err) {
		c.finish(err)
	}
}

// isOver reports whether the session is over, now that a link has ended with err. If not, it has the session wait for
// the TLA to come back.
func (c *cardSession) isOver(ctx context.Context, generation uint32, ours bool, err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !ours || generation != c.w.Generation(): // it never was the session's link, or a newer one has replaced it
		c.log.Info("link given up", "reason", reasonOf(err), "error", err)
		return false
	case ctx.Err() != nil || c.leaving != nil || !resumable(err):
		return true
	}
	c.log.Warn("link lost; waiting for the terminal", "reason", reasonOf(err), "error", err, "grace", c.s.cfg.Grace)
	c.lost, c.number = time.Now(), incidentOf(err)
	c.grace = time.AfterFunc(c.s.cfg.Grace, c.graceOver)
	c.s.hurry()
	return false
}

// resumable reports whether nobody ended the session, so that the TLA may come back.
func resumable(err error) bool { return session.Resumable(err) && link.Resumable(err) }

// graceOver ends a session whose TLA has not come back.
func (c *cardSession) graceOver() {
	if c.isLost() {
		c.finish(errGrace)
	}
}

// resumedOver records that the session goes on over another link. If this side was ending it when the link before
// broke, it ends it now.
func (c *cardSession) resumedOver(by way) {
	c.mu.Lock()
	defer c.mu.Unlock()
	away := time.Duration(0)
	if !c.lost.IsZero() {
		c.grace.Stop()
		away = time.Since(c.lost)
	}
	c.way, c.lost, c.number = by, time.Time{}, ""
	c.resumed++
	c.log.Info("session resumed", "through", by.gateway, "resumed", c.resumed, "away", away.Round(time.Millisecond))
	if c.leaving != nil {
		c.w.Leave(farewellOf(c.leaving))
	}
}

// ended returns the event of the session's end.
func (c *cardSession) ended(err error) Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Event{Kind: EventEnded, Session: c.id, TLA: c.tla.String(), Gateway: c.gateway, Reason: reasonOf(err),
		Incident: cmp.Or(incidentOf(err), c.number), Length: time.Since(c.began), Commands: c.count.answered.Load()}
}

// isLost reports whether the session has no link.
func (c *cardSession) isLost() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.lost.IsZero()
}

// finish ends the session: its cards are gone with it.
func (c *cardSession) finish(err error) {
	c.end.Do(func() {
		c.limit.Stop()
		c.w.Close(err)
		c.clear()
		e := c.ended(err)
		c.log.Info("session ended", "reason", e.Reason, "error", err, "lasted", e.Length.Round(time.Second),
			"commands", c.count.commands.Load(), "resets", c.count.resets.Load(), "incident", e.Incident)
		c.s.trace(e)
		c.s.release(c)
	})
}

// clear removes the cards, for good.
func (c *cardSession) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	for _, slot := range c.s.slots {
		slot.clear()
	}
}

// leave ends the session from this side; a cut is logged with the reason of its refusal.
func (c *cardSession) leave(cause error) {
	if _, ofUser := errors.AsType[*userError](cause); ofUser || pki.ReasonOf(cause) != "" {
		c.log.Warn("session cut", "reason", reasonOf(cause), "error", cause)
	}
	if c.setLeaving(cause) {
		c.finish(cause)
		return
	}
	c.w.Leave(farewellOf(cause))
}

// setLeaving records why this side ends the session, so that a link that breaks now does not undo it. It reports
// whether the link is lost already: then there is none on which to say so.
func (c *cardSession) setLeaving(cause error) (lost bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leaving = cause
	return !c.lost.IsZero()
}

// farewellOf returns what the TLA is told about why we end the session.
func farewellOf(cause error) (session.ByeCode, string) {
	if r, ok := errors.AsType[*pki.Refusal](cause); ok {
		return session.ByeRefused, "The Poste de Travail cut the session: " + r.Error()
	}
	if u, ok := errors.AsType[*userError](cause); ok {
		return session.ByeUser, "The Poste de Travail cut the session: " + u.Error() + "."
	}
	if errors.Is(cause, errTimeOver) {
		return session.ByeTimeOver, "The session has reached its longest time; start a new one."
	}
	return session.ByeShutdown, "The Poste de Travail is stopping."
}
