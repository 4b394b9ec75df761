package link

import (
	"context"
	"encoding/binary"
	"sync"
	"sync/atomic"
)

// TakesTrace reports whether the gateway takes trace records on this link of an end.
func (l *Conn) TakesTrace() bool { return l.cfg.traced }

// WriteTrace sends lines of our trace (end → gateway), in a session, to a gateway that takes them: at most MaxTrace
// octets.
func (l *Conn) WriteTrace(lines []byte) error {
	if !l.cfg.traced || len(lines) > MaxTrace {
		return protocolErrorf("a trace record of %d octets that the gateway does not take", len(lines))
	}
	return l.WriteRecord(TypeTrace, lines)
}

// Echo returns once the peer has read all that was written to it before: it sends a ping and waits for its pong. It
// fails when ctx ends first, which a caller ends with the link. Somebody must read meanwhile.
func (l *Conn) Echo(ctx context.Context) error {
	l.echoes.one.Lock()
	defer l.echoes.one.Unlock()
	payload, back := l.echoes.next()
	if err := l.WriteRecord(TypePing, payload); err != nil {
		return err
	}
	select {
	case <-back:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// echoes awaits one pong at a time. The zero echoes is ready for use.
type echoes struct {
	one   sync.Mutex // held by Echo
	count uint64     // protected by one
	wait  atomic.Pointer[echo]
}

type echo struct {
	payload uint64 // never 0, which the heartbeat sends
	once    sync.Once
	back    chan struct{}
}

// next returns the payload of a ping, and a channel that is closed when its pong comes.
func (e *echoes) next() ([]byte, <-chan struct{}) {
	e.count++
	awaited := &echo{payload: e.count, back: make(chan struct{})}
	e.wait.Store(awaited)
	return binary.BigEndian.AppendUint64(nil, e.count), awaited.back
}

// came takes the payload of a pong.
func (e *echoes) came(payload []byte) {
	awaited := e.wait.Load()
	if awaited != nil && awaited.payload == binary.BigEndian.Uint64(payload) {
		awaited.once.Do(func() { close(awaited.back) })
	}
}
