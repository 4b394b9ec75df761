package session

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"tlagate/session/internal/heartbeat"
)

// Defaults of docs/protocol.md, section 5.
const (
	DefaultHeartbeat    = 3 * time.Second
	defaultWriteTimeout = 10 * time.Second
)

// Timers are those of a session; zero stands for the default of each.
type Timers struct {
	Heartbeat    time.Duration // silence before a ping, 3 s; after three times that the peer is dead
	WriteTimeout time.Duration // longest write of one frame, 10 s
}

// deadError is the type of ErrDead.
type deadError struct{}

func (deadError) Error() string   { return "card session is dead: nothing heard for three heartbeats" }
func (deadError) Timeout() bool   { return true }
func (deadError) Temporary() bool { return false }

// ErrDead ends a session whose peer was silent for three heartbeats.
var ErrDead error = deadError{}

// stream carries frames over a connection: one reader, many writers.
type stream struct {
	conn    net.Conn
	timeout time.Duration
	rbuf    []byte // owned by the reader

	wmu  sync.Mutex // protects wbuf and the order of frames
	wbuf []byte

	alive *heartbeat.Monitor
	cause atomic.Pointer[error] // why this end closed it; first one wins
	once  sync.Once
	done  chan struct{} // closed when the session is over, at the latest with the connection
}

func newStream(conn net.Conn, t Timers) *stream {
	if t.Heartbeat == 0 {
		t.Heartbeat = DefaultHeartbeat
	}
	if t.WriteTimeout == 0 {
		t.WriteTimeout = defaultWriteTimeout
	}
	s := &stream{conn: conn, timeout: t.WriteTimeout, done: make(chan struct{})}
	s.alive = heartbeat.New(t.Heartbeat, s.ping, func() { s.close(ErrDead) })
	s.alive.Start()
	return s
}

// read returns the next frame that is no ping or pong. A bye is the error *Bye.
func (s *stream) read() (frame, error) {
	for {
		f, err := readFrame(s.conn, &s.rbuf)
		if err != nil {
			return frame{}, s.why(err)
		}
		s.alive.Heard()
		if s.cause.Load() != nil && f.typ != frameBye {
			continue // we said bye, and wait only for the peer's
		}
		switch f.typ {
		case framePing:
			if err := s.write(framePong, 0, f.payload); err != nil {
				return frame{}, err
			}
		case framePong:
		case frameBye:
			return frame{}, decodeBye(f.payload)
		default:
			return f, nil
		}
	}
}

// write sends one frame in one call of the connection.
func (s *stream) write(t frameType, slot Slot, parts ...[]byte) error {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	s.wbuf = appendFrame(s.wbuf[:0], t, slot, parts...)
	defer wipe(s.wbuf)
	return s.send(s.wbuf)
}

// writeFrame sends one frame that is already encoded.
func (s *stream) writeFrame(b []byte) error {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	return s.send(b)
}

func (s *stream) send(b []byte) error {
	if err := s.conn.SetWriteDeadline(time.Now().Add(s.timeout)); err != nil {
		return s.why(err)
	}
	_, err := s.conn.Write(b)
	return s.why(err)
}

func (s *stream) writeJSON(t frameType, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return s.write(t, 0, b)
}

// linger is how long a connection stays open after our bye for the peer to read it and close first: closing
// with unread input would reset the connection and could destroy the bye on its way.
const linger = time.Second

// leave says bye, which ends the session. The reader closes the connection when the peer has closed it, or after
// linger.
func (s *stream) leave(b *Bye) {
	if !s.end(b) {
		return
	}
	_ = s.writeJSON(frameBye, b)
	time.AfterFunc(linger, func() { s.conn.Close() })
}

// fail ends the session after err, if it has not ended, closes the connection and returns why it ended.
func (s *stream) fail(err error) error {
	if p := (*ProtocolError)(nil); errors.As(err, &p) && s.cause.Load() == nil {
		_ = s.writeJSON(frameBye, &Bye{ByeProtocol, p.Detail})
	}
	s.close(err)
	return *s.cause.Load()
}

func (s *stream) close(cause error) {
	s.end(cause)
	s.conn.Close()
}

// end ends the session for cause, and reports whether it had not ended before.
func (s *stream) end(cause error) bool {
	first := s.cause.CompareAndSwap(nil, &cause)
	s.once.Do(func() {
		s.alive.Stop()
		close(s.done)
	})
	return first
}

// why returns our own cause if we ended the session, and else the connection's error.
func (s *stream) why(err error) error {
	if err == nil {
		return nil
	}
	if cause := s.cause.Load(); cause != nil {
		return *cause
	}
	return err
}

func (s *stream) ping() { _ = s.write(framePing, 0, make([]byte, 8)) }

// leaveAfter leaves with shutdown when ctx ends, unless stop is called before.
func (s *stream) leaveAfter(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, func() {
		s.leave(&Bye{ByeShutdown, "The program at the other end is stopping."})
	})
}
