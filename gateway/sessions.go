package gateway

import (
	"context"
	"slices"
	"sync"
	"time"

	"tlagate/pki"
	"tlagate/session/link"
)

// sessionTable holds one session a TLA, reserved or begun.
type sessionTable struct {
	absolute time.Duration   // length of a session, at most
	mostOf   int             // sessions of one practice; 0 = no limit
	links    *sync.WaitGroup // the gateway's

	mu       sync.Mutex // protects the rest, and tla, pdt, joined and limit of sessions
	byTLA    map[pki.Identity]*session
	begun    []*session    // those of them that have, sorted by place: a view need not sort
	practice practiceCount // of byTLA
	draining bool
}

func newSessionTable(l Limits, links *sync.WaitGroup) *sessionTable {
	return &sessionTable{absolute: l.Absolute, mostOf: l.PerPractice.Sessions, links: links,
		byTLA: map[pki.Identity]*session{}, practice: practiceCount{}}
}

// reserve admits a TLA's session if it has no other. A further link of the same session replaces the one before, which
// the caller ends. When reserve returns no problem, links counts one more: publish or release follows.
func (t *sessionTable) reserve(tla pki.Identity, s *session) (before *session, p *link.Problem) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.draining {
		return nil, drainingProblem()
	}
	before = t.byTLA[tla]
	if before != nil && !before.givesWayTo(s) {
		return nil, busyProblem()
	}
	if before == nil {
		if reached(t.practice[tla.Practice], t.mostOf) {
			return nil, tooManyOfPractice("sessions", retrySessions)
		}
		t.practice.add(tla.Practice, 1)
	}
	t.byTLA[tla] = s
	t.links.Add(1)
	return before, nil
}

func busyProblem() *link.Problem {
	return &link.Problem{Code: link.ProblemTLABusy, Detail: "This terminal already has a session.",
		Action: "Stop that one first."}
}

// release undoes reserve, for a session that has not begun.
func (t *sessionTable) release(tla pki.Identity, s *session) {
	t.remove(tla, s)
	t.links.Done()
}

// remove lets the TLA open again.
func (t *sessionTable) remove(tla pki.Identity, s *session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byTLA[tla] == s {
		delete(t.byTLA, tla)
		t.practice.add(tla.Practice, -1)
	}
	if i, ok := t.find(s.place()); ok && t.begun[i] == s {
		t.begun = slices.Delete(t.begun, i, i+1)
	}
	close(s.done)
}

// publish makes a session known to the pumps of its ends and to close, and reports whether the gateway is draining.
func (t *sessionTable) publish(s *session, tla, pdt *end) (draining bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s.tla, s.pdt, s.joined = tla, pdt, time.Now()
	s.limit = time.AfterFunc(time.Until(s.began.Add(t.absolute)), s.timeOver)
	tla.session.Store(s)
	pdt.session.Store(s)
	t.line(s)
	close(s.up)
	return t.draining
}

// line puts a session that begins into its place, which is at the end but for a further link. The link before it has
// the same place, and goes. The caller holds t.mu.
func (t *sessionTable) line(s *session) {
	i, taken := t.find(s.place())
	if taken {
		t.begun[i] = s
		return
	}
	t.begun = slices.Insert(t.begun, i, s)
}

// find returns where in begun a place is, or would be. The caller holds t.mu.
func (t *sessionTable) find(p place) (int, bool) {
	return slices.BinarySearchFunc(t.begun, p, func(s *session, p place) int { return s.place().compare(p) })
}

func (t *sessionTable) stopClock(s *session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s.limit.Stop()
}

func (t *sessionTable) isDraining() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.draining
}

// close admits no more sessions, and returns those that have begun.
func (t *sessionTable) close() []*session {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.draining = true
	return slices.Clone(t.begun)
}

// reopen admits sessions again.
func (t *sessionTable) reopen() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.draining = false
}

// Sessions returns, of the sessions that have begun and that f lets through, those after a place, the oldest first, and
// at most limit; 0 = all. What a view needs of them does not change any more, or is atomic.
func (t *sessionTable) Sessions(f Filter, after place, limit int) (list []*session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i, found := t.find(after)
	if found {
		i++
	}
	for ; i < len(t.begun) && (limit == 0 || len(list) < limit); i++ {
		if f.takes(t.begun[i]) {
			list = append(list, t.begun[i])
		}
	}
	return list
}

// Session returns the session of that id; nil = there is none that has begun.
func (t *sessionTable) Session(id string) *session {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := slices.IndexFunc(t.begun, func(s *session) bool { return s.id == id }); i >= 0 {
		return t.begun[i]
	}
	return nil
}

func (t *sessionTable) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.begun)
}

// answerWithin is what a TLA's link gets to answer a ping when another process with its identity opens.
const answerWithin = 2 * time.Second

// reserve admits a TLA's session. One that the TLA's process before began gives way, if its link does not answer: a
// terminal that comes back after a power cut does not wait until its old link is found dead. One that answers stays,
// whoever else has its certificate.
func (g *Gateway) reserve(ctx context.Context, c *client, s *session) *link.Problem {
	before, p := g.sessions.reserve(c.peer.Identity, s)
	if p == nil && before != nil {
		before.end(goesOnNotice, reasonResumed, "gateway")
	}
	if p == nil || p.Code != link.ProblemTLABusy || s.generation > 1 {
		return p
	}
	old := g.sessions.of(c.peer.Identity)
	if old == nil || !old.givesWay(ctx, c) {
		return p
	}
	old.lostPower()
	_, p = g.sessions.reserve(c.peer.Identity, s)
	return p
}

// holdsSession reports whether a TLA has a session that would not give way to another of its own. One that it waits for
// counts too.
func (g *Gateway) holdsSession(ctx context.Context, c *client) bool {
	e, held := g.sessions.held(c.peer.Identity)
	return held && (e == nil || !e.givesWay(ctx, c))
}

// givesWay reports whether the session of a TLA's end is over as soon as its TLA begins another from c: another process
// of it asks, and this end does not answer.
func (e *end) givesWay(ctx context.Context, c *client) bool {
	return e.client.instance() != c.instance() && !e.answers(ctx)
}

// answers reports whether an end is heard from after now, within answerWithin, all of which it gets: who asks cannot
// cut it short by going away. It does not wait for a write.
func (e *end) answers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerWithin)
	defer cancel()
	asked, echoed := time.Now(), make(chan error, 1)
	go func() { echoed <- e.link.Echo(ctx) }()
	select {
	case err := <-echoed:
		return err == nil || e.link.Heard().After(asked)
	case <-ctx.Done():
		return e.link.Heard().After(asked)
	}
}

// lostPower ends the session of a TLA's end that does not answer, and whose terminal has come back.
func (e *end) lostPower() {
	if s := e.session.Load(); s != nil {
		s.end(link.Notice{Code: link.CodePeerGone, Text: "The terminal has begun anew."}, "dead", string(pki.RoleTLA))
	}
}

// of returns the TLA's end of its session; nil = it has none, or waits for one.
func (t *sessionTable) of(tla pki.Identity) *end {
	e, _ := t.held(tla)
	return e
}

// held reports whether a TLA has a session, or waits for one, and returns its end, if there is one yet.
func (t *sessionTable) held(tla pki.Identity) (e *end, held bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.byTLA[tla]
	if s == nil {
		return nil, false
	}
	return s.tla, true
}
