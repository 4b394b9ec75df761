package siem

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"tlagate/internal/retry"
	"tlagate/pki/trust"
)

// link is a connection to the SIEM, whose certificate is proven.
type link struct {
	tcp   *net.TCPConn
	tls   *tls.Conn
	peer  *trust.Peer
	begun time.Time
	limit time.Duration // for a batch to be acknowledged

	gone chan struct{} // closed when nothing more can be read
	why  error         // then: io.EOF = it was closed in good order
}

// dial connects, and proves the server. It ends when ctx does, with a moment for a connection to end in good order.
func (c *Config) dial(ctx context.Context) (*link, error) {
	dialing, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	conn, err := c.Dial(dialing, c.Server.HostPort.String())
	if err != nil {
		return nil, err
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		conn.Close()
		return nil, errors.New("it is no TCP connection, so that nobody can tell what has arrived")
	}
	over, peer, err := c.Party.Foreign(dialing, tcp, trust.Want{DNSName: c.Server.Name})
	if err != nil {
		return nil, err
	}
	l := &link{tcp: tcp, tls: over, peer: peer, begun: time.Now(), limit: c.Timeout, gone: make(chan struct{})}
	go l.listen()
	return l, nil
}

var errTalks = errors.New("the SIEM sends data, which a syslog server never does")

// listen notices the end of the connection.
func (l *link) listen() {
	defer close(l.gone)
	n, err := l.tls.Read(make([]byte, 1))
	if l.why = err; n > 0 {
		l.why = errTalks
	}
}

// write sends a batch.
func (l *link) write(batch []byte) error {
	if err := l.tls.SetWriteDeadline(time.Now().Add(l.limit)); err != nil {
		return err
	}
	_, err := l.tls.Write(batch)
	return l.cause(slow(err))
}

// acknowledged returns once the other end's kernel has all that was sent.
func (l *link) acknowledged(ctx context.Context) error {
	until := time.Now().Add(l.limit)
	for pause := time.Millisecond; ; pause = min(2*pause, maxPause) {
		switch left, err := waiting(l.tcp); {
		case err != nil:
			return l.cause(err)
		case left == 0:
			return nil
		case time.Now().After(until):
			return slow(os.ErrDeadlineExceeded)
		}
		if !retry.Sleep(ctx, pause) {
			return ctx.Err()
		}
	}
}

// maxPause is the longest between two looks at what is acknowledged.
const maxPause = 50 * time.Millisecond

func slow(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errors.New("the SIEM does not take what is sent")
	}
	return err
}

// alive returns an error if the connection has ended.
func (l *link) alive() error {
	select {
	case <-l.gone:
		return l.cause(errors.New("the connection has ended"))
	default:
	}
	_, err := waiting(l.tcp)
	return l.cause(err)
}

// cause returns what reading says about an end, if it knows more than err: such as an alert about our certificate.
func (l *link) cause(err error) error {
	if err == nil {
		return nil
	}
	select {
	case <-l.gone:
		if l.why != nil && !errors.Is(l.why, io.EOF) {
			return fmt.Errorf("%w: %w", err, l.why)
		}
	default:
	}
	return err
}

// wait waits a while, or until something happens to the connection.
func (l *link) wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.gone:
	case <-ctx.Done():
	}
}

// farewell is how long a connection may take to end in good order.
const farewell = 2 * time.Second

// finish ends the connection, and reports whether the SIEM has read all that was sent: it closed in good order after
// having read our end.
func (l *link) finish() bool {
	_ = l.tcp.SetDeadline(time.Now().Add(farewell))
	if l.tls.CloseWrite() != nil {
		return false
	}
	<-l.gone
	return errors.Is(l.why, io.EOF)
}

func (l *link) close() {
	_ = l.tcp.Close()
	<-l.gone
}
