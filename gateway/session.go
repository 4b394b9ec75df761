package gateway

import (
	"errors"
	"io"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"tlagate/session/link"
)

// end is one upgraded link: a TLA's or a PdT's.
type end struct {
	g        *Gateway
	client   *client
	link     *link.Conn
	declared *declaration // of a PdT
	gone     bool         // protected by g.mu: its pump has ended

	session atomic.Pointer[session] // nil while parked
	octets  atomic.Int64            // data received
}

// pump passes on what this end sends, until the link ends.
func (e *end) pump() {
	defer e.g.links.Done()
	err := e.carry()
	e.g.unpark(e)
	_ = e.link.Close()
	e.g.forget(e.client.conn)
	if s := e.session.Load(); s != nil {
		s.lost(e, err)
		return
	}
	e.g.log.Info("parked link ended", "remote", e.client.remote, "peer", e.client.peer.Identity.String(), "why", why(err))
}

func (e *end) carry() error {
	for {
		t, payload, err := e.link.ReadRecord()
		if err != nil {
			return err
		}
		s := e.session.Load()
		if t != link.TypeData || s == nil {
			return &link.ProtocolError{Detail: "a record that this end may not send now"}
		}
		e.octets.Add(int64(len(payload)))
		if err := s.other(e).link.WriteRecord(link.TypeData, payload); err != nil {
			return errOtherEnd
		}
	}
}

// errOtherEnd is why one end's pump stops when the other end's link does.
var errOtherEnd = errors.New("the other end's link is gone")

func why(err error) string {
	if errors.Is(err, io.EOF) {
		return "closed by the peer"
	}
	return err.Error()
}

// session is a TLA's link joined with a PdT's.
type session struct {
	g       *Gateway
	id      string
	tla     *end
	pdt     *end
	started time.Time
	limit   *time.Timer
	ending  sync.Once
	done    chan struct{} // closed when it is over
}

func newSession(g *Gateway, id string) *session {
	return &session{g: g, id: id, done: make(chan struct{})}
}

// begin lets data pass both ways; while draining it ends at once.
func (s *session) begin(tla, pdt *end) {
	s.g.mu.Lock()
	s.tla, s.pdt, s.started = tla, pdt, time.Now()
	draining := s.g.draining
	s.g.mu.Unlock()
	if draining {
		defer s.end(drainNotice, "draining")
	}
	s.g.log.Info("joined", "session", s.id, "tla", tla.client.peer.Identity.String(), "pdt", pdt.client.peer.Identity.String())
	s.limit = time.AfterFunc(math.MaxInt64, func() {
		s.end(link.Notice{Code: link.CodeTimeOver, Text: "The session has reached its longest time."}, "time_over")
	})
	s.limit.Reset(s.g.limits.Absolute)
	tla.session.Store(s)
	pdt.session.Store(s)
}

func (s *session) other(e *end) *end {
	if e == s.tla {
		return s.pdt
	}
	return s.tla
}

// tell sends a notice to both ends.
func (s *session) tell(n link.Notice) {
	for _, e := range []*end{s.tla, s.pdt} {
		_ = e.link.WriteNotice(n)
	}
}

// lost ends the session because one end's link ended.
func (s *session) lost(e *end, err error) {
	notice := link.Notice{Code: link.CodePeerGone, Text: "The other end's link was lost or closed."}
	var broken *link.ProtocolError
	if errors.As(err, &broken) {
		notice = link.Notice{Code: link.CodeProtocol, Text: "The other end broke the protocol."}
	}
	s.end(notice, string(e.client.peer.Identity.Role)+": "+why(err))
}

// end ends the session: both ends get the notice, then their links close.
func (s *session) end(n link.Notice, cause string) {
	s.ending.Do(func() {
		s.limit.Stop()
		for _, e := range []*end{s.tla, s.pdt} {
			e.link.Part(n)
		}
		s.g.log.Info("session ended", "session", s.id, "tla", s.tla.client.peer.Identity.String(),
			"pdt", s.pdt.client.peer.Identity.String(), "reason", string(n.Code), "why", cause,
			"duration", time.Since(s.started).Round(time.Millisecond).String(),
			"from_tla", s.tla.octets.Load(), "from_pdt", s.pdt.octets.Load())
		s.g.over(s.tla.client.peer.Identity, s)
	})
}

// begun gives the sessions that have begun; it is called with g.mu held.
func (g *Gateway) begun() []*session {
	var all []*session
	for _, s := range g.sessions {
		if s.tla != nil {
			all = append(all, s)
		}
	}
	return all
}
