package enrolment

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
)

// maxHello bounds what is read of a connection before its name is known: more than the longest ClientHello that
// crypto/tls accepts (64 KiB), with its record headers.
const maxHello = 80 << 10 // octets

// PeekName reads the ClientHello of a connection that was just accepted and returns the server name in it; "" when it
// has none or is no ClientHello. again is the connection as if nothing had been read of it. PeekName returns
// when ctx ends, which closes the connection.
//
// crypto/tls reads it, on a copy that can write nothing, and is stopped there: fragments, records, bounds and malformed
// hellos are judged as they will be judged in the handshake. A parser of ours could differ.
func PeekName(ctx context.Context, c net.Conn) (name string, again net.Conn) {
	r := &recorder{Conn: c}
	_ = tls.Server(r, &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		name = hello.ServerName
		return nil, errSeen
	}}).HandshakeContext(ctx)
	return name, &replay{Conn: c, head: r.seen}
}

var (
	errSeen    = errors.New("the name has been seen")
	errTooLong = errors.New("too long for a ClientHello")
)

// recorder records what is read, and writes nothing: no alert is due yet.
type recorder struct {
	net.Conn
	seen []byte
}

// Read reads from the connection beneath.
func (r *recorder) Read(p []byte) (int, error) {
	room := maxHello - len(r.seen)
	if room == 0 {
		return 0, errTooLong
	}
	n, err := r.Conn.Read(p[:min(len(p), room)])
	r.seen = append(r.seen, p[:n]...)
	return n, err
}

// Write writes nothing.
func (r *recorder) Write(p []byte) (int, error) { return len(p), nil }

// replay returns what was read once more, then the rest. One goroutine reads at a time.
type replay struct {
	net.Conn
	head []byte
}

// Read reads from the head first.
func (r *replay) Read(p []byte) (int, error) {
	if len(r.head) == 0 {
		return r.Conn.Read(p)
	}
	n := copy(p, r.head)
	if r.head = r.head[n:]; len(r.head) == 0 {
		r.head = nil
	}
	return n, nil
}

// CloseWrite sends the end and goes on reading.
func (r *replay) CloseWrite() error { return closeWrite(r.Conn) }

func closeWrite(c net.Conn) error {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
