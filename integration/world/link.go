package world

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// link is one connection through a proxy.
type link struct {
	proxy  *Proxy
	client *net.TCPConn
	ctx    context.Context // ended by cut
	cancel context.CancelFunc
}

// chunk is a piece of data and when it arrives. With an error it is the last one: io.EOF is a clean end, anything else
// a broken connection.
type chunk struct {
	due  time.Time
	data []byte
	err  error
}

// cut resets both connections. (run closes the server's.)
func (l *link) cut() {
	l.cancel()
	reset(l.client)
}

func reset(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}

// run makes the connection as late as a real one would be: after the handshake's round trip, and the way of the first
// bytes.
func (l *link) run() {
	oneWay := l.proxy.oneWay()
	if !l.wait(2 * oneWay) {
		return
	}
	var both sync.WaitGroup
	defer both.Wait()
	up := l.receive(&both, l.client, ToTarget)
	if !l.wait(oneWay) || !l.flow() {
		return
	}
	server, err := l.dial()
	if err != nil {
		l.cut()
		return
	}
	stop := context.AfterFunc(l.ctx, func() { reset(server) })
	defer stop()
	defer func() { _ = server.Close() }()
	down := l.receive(&both, server, ToClient)
	var senders sync.WaitGroup
	senders.Go(func() { l.send(server, up) })
	senders.Go(func() { l.send(l.client, down) })
	senders.Wait()
}

func (l *link) dial() (*net.TCPConn, error) {
	var d net.Dialer
	conn, err := d.DialContext(l.ctx, "tcp", l.proxy.target)
	if err != nil {
		return nil, err
	}
	return conn.(*net.TCPConn), nil
}

// receive stamps what comes from c with the time when it arrives at the other side.
func (l *link) receive(all *sync.WaitGroup, c net.Conn, d Direction) <-chan chunk {
	chunks := make(chan chunk, maxInFlight)
	all.Go(func() {
		defer close(chunks)
		var free time.Time // when what came before has left
		for {
			buf := make([]byte, chunkSize)
			n, err := c.Read(buf)
			var data []byte
			if n > 0 {
				data = l.proxy.spoil(d, buf[:n])
			}
			free = later(free, time.Now()).Add(l.proxy.lasts(len(data)))
			if !l.put(chunks, chunk{free.Add(l.proxy.oneWay()), data, err}) || err != nil {
				return
			}
		}
	})
	return chunks
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (l *link) put(chunks chan<- chunk, piece chunk) bool {
	select {
	case chunks <- piece:
		return true
	case <-l.ctx.Done():
		return false
	}
}

// send delivers chunks when they are due, then the end of the stream.
func (l *link) send(c *net.TCPConn, chunks <-chan chunk) {
	for piece := range chunks {
		if !l.wait(time.Until(piece.due)) || !l.flow() {
			return
		}
		if !l.deliver(c, piece) {
			return
		}
	}
}

// deliver writes one piece, and reports whether more may follow.
func (l *link) deliver(c *net.TCPConn, piece chunk) bool {
	_, err := c.Write(piece.data)
	switch {
	case err == nil && piece.err == nil:
		return true
	case err == nil && errors.Is(piece.err, io.EOF):
		_ = c.CloseWrite()
	default:
		l.cut()
	}
	return false
}

// wait waits for d, and reports whether the link is still whole.
func (l *link) wait(d time.Duration) bool {
	if d <= 0 {
		return l.ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.ctx.Done():
		return false
	}
}

// flow waits while the proxy is paused, and reports whether the link is still whole.
func (l *link) flow() bool {
	select {
	case <-l.proxy.flowing():
		return true
	case <-l.ctx.Done():
		return false
	}
}
