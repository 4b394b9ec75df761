package gateway

import (
	"errors"
	"io"
	"sync/atomic"
	"time"

	"tlagate/session/link"
)

// end is one upgraded link: a TLA's or a PdT's. One goroutine, its pump, reads it from the upgrade until the link is
// over.
type end struct {
	g        *Gateway
	client   *client
	link     *link.Conn
	declared *declaration // of a PdT
	at       time.Time    // of the upgrade
	cut      atomic.Bool  // its certificate no longer passes

	gone    bool                    // protected by parkedTable.mu: the link is over
	offered atomic.Pointer[session] // of a PdT: the session whose joined record it was sent
	session atomic.Pointer[session] // nil while parked; written with sessionTable.mu held
	octets  atomic.Int64            // data received
	dataAt  atomic.Int64            // when, ns; 0 = none yet
	status  sentStatus
}

// pump passes on what this end sends until the link is over.
func (e *end) pump() {
	defer e.g.links.Done()
	err := e.carry()
	e.saidAll()
	e.g.parked.remove(e)
	e.over(err)
	e.discard()
	_ = e.link.Close()
	e.g.clients.remove(e.client.conn)
}

// parked reports whether no session has been offered to this end.
func (e *end) parked() bool { return e.session.Load() == nil && e.offered.Load() == nil }

// carry reads records until the link is over. It passes data on, and takes lines of the end's trace; any other record
// is an error.
func (e *end) carry() error {
	for {
		t, payload, err := e.link.ReadRecord()
		if err != nil {
			return err
		}
		if t != link.TypeData && t != link.TypeTrace || e.parked() {
			return &link.ProtocolError{Detail: "a record that this end may not send now"}
		}
		s := e.joined()
		if s == nil {
			return errGone
		}
		if t == link.TypeTrace {
			e.said(s, payload)
			continue
		}
		e.octets.Add(int64(len(payload)))
		e.dataAt.Store(time.Now().UnixNano())
		e.g.meters.octets[e.client.peer.Identity.Role].Add(float64(len(payload)))
		if s.other(e).link.WriteRecord(link.TypeData, payload) != nil {
			return errOtherEnd // the other end's pump says why
		}
	}
}

// said takes lines of this end's own trace, as the words of that end alone (SA2; docs/protocol.md, section 2.2).
// Nothing about them ends a session, or holds it up.
func (e *end) said(s *session, lines []byte) { e.g.home.Take(e.client.identity(), s.id, lines) }

// saidAll records what was dropped of what this end sent.
func (e *end) saidAll() {
	if s := e.session.Load(); s != nil {
		e.g.home.Over(e.client.identity(), s.id)
	}
}

// joined returns the session of this end; nil when it has none. A PdT may send, or leave, as soon as it is sent the
// joined record, which is a little before the TLA's link is up: then joined waits for that.
func (e *end) joined() *session {
	if s := e.session.Load(); s != nil {
		return s
	}
	s := e.offered.Load()
	if s == nil {
		return nil
	}
	select {
	case <-s.up:
		return e.session.Load() // nil: another link was joined, since this one had not taken the record
	case <-s.done:
		return nil
	}
}

// discard reads until the peer closes, so that a last notice arrives.
func (e *end) discard() {
	for {
		if _, _, err := e.link.ReadRecord(); err != nil {
			return
		}
	}
}

// over tells the session, or the log, that the link is over.
func (e *end) over(err error) {
	if _, ok := errors.AsType[*link.ProtocolError](err); ok {
		e.link.Part(link.Notice{Code: link.CodeProtocol, Text: "This end broke the protocol."})
	}
	if s := e.joined(); s != nil {
		s.lost(e, err)
		return
	}
	e.g.log.Info("parked link ended", "remote", e.client.remote, "peer", e.client.identity(),
		"reason", reasonOf(err), "error", err)
}

// end ends the session, or the parked link, with a last notice.
func (e *end) end(n link.Notice, reason string) {
	if s := e.session.Load(); s != nil {
		s.end(n, reason, "gateway")
		return
	}
	e.link.Part(n)
}

var (
	errOtherEnd = errors.New("the other end's link is gone") // whose own pump says more
	errGone     = errors.New("the TLA's link went away while it was joined")
)

// reasonClosed is why a link ended that its end has closed in good order.
const reasonClosed = "closed"

// reasonOf returns the one word for why a link ended.
func reasonOf(err error) string {
	if n, ok := errors.AsType[*link.Notice](err); ok {
		return string(n.Code)
	}
	if _, ok := errors.AsType[*link.ProtocolError](err); ok {
		return string(link.CodeProtocol)
	}
	switch {
	case errors.Is(err, io.EOF):
		return reasonClosed
	case errors.Is(err, link.ErrDead):
		return "dead"
	}
	return "network"
}
