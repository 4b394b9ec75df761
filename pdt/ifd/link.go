package ifd

import (
	"context"
	"net"
	"sync"
	"time"

	"tlagate/internal/quick"
	"tlagate/session"
)

// link is the two connections of a driver that has a slot.
type link struct {
	id     linkID
	ctx    context.Context // ends with the link
	cancel context.CancelFunc
	events *net.UnixConn

	joined sync.WaitGroup // the goroutine that serves requests

	mu       sync.Mutex // protects the rest, and what is written on requests
	requests net.Conn
	ended    bool
	busy     uint32 // the request under way; 0 = none
	wbuf     []byte
}

func newLink(ctx context.Context, events *net.UnixConn) *link {
	id := session.NewID()
	l := &link{id: linkID(id[:linkLen]), events: events}
	l.ctx, l.cancel = context.WithCancel(ctx)
	return l
}

// join makes c the link's second connection, and reports whether there was none yet.
func (l *link) join(c *net.UnixConn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.requests != nil || l.ended {
		return false
	}
	l.requests = quick.Conn(c)
	l.joined.Add(1)
	return true
}

// leave is called by whoever joined, when it serves no more requests.
func (l *link) leave() { l.joined.Done() }

// hangUp closes both connections, and ends what is under way for them.
func (l *link) hangUp() {
	l.cancel()
	_ = l.events.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.requests != nil {
		_ = l.requests.Close()
	}
}

// end waits until nothing is done for the link any more.
func (l *link) end() {
	l.mu.Lock()
	l.ended = true
	l.mu.Unlock()
	l.joined.Wait()
}

func (l *link) write(c net.Conn, b []byte) error {
	_ = c.SetWriteDeadline(time.Now().Add(writeWait))
	_, err := c.Write(b)
	return err
}

// send sends an event.
func (l *link) send(t frameType, number uint32, payload []byte) error {
	return l.write(l.events, appendFrame(nil, t, number, payload))
}

// begin notes that a request is under way.
func (l *link) begin(number uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy = number
}

// answer ends a request.
func (l *link) answer(number uint32, o outcome, body []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy = 0
	l.wbuf = appendFrame(l.wbuf[:0], frameAnswer, number, []byte{byte(o)}, body)
	defer clear(l.wbuf)
	return l.write(l.requests, l.wbuf)
}

// pulse tells the driver now and then that a request is still under way, until the function that it returns is called.
func (l *link) pulse(every time.Duration) (stop func()) {
	ticker := time.NewTicker(every)
	over := make(chan struct{})
	var pulsing sync.WaitGroup
	pulsing.Go(func() {
		for {
			select {
			case <-over:
				return
			case <-ticker.C:
				l.working()
			}
		}
	})
	return func() { close(over); ticker.Stop(); pulsing.Wait() }
}

func (l *link) working() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.busy != 0 && l.write(l.requests, appendFrame(nil, frameWorking, l.busy)) != nil {
		l.cancel()
		_ = l.events.Close()
	}
}
