package quick

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// stream is what the connections of package net are whose octets are a stream.
type stream interface {
	net.Conn
	syscall.Conn
	CloseWrite() error
}

// conn is a socket of package net; only its reads and writes are other than there.
type conn struct {
	stream
	raw syscall.RawConn
}

// Conn returns c with quick reads and writes, if it is a socket of package net for a stream. That has CloseWrite, too.
func Conn(c net.Conn) net.Conn {
	socket, ok := c.(stream)
	if !ok {
		return c
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return c
	}
	return &conn{socket, raw}
}

// Read implements net.Conn.
func (c *conn) Read(p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	var result error
	err = c.raw.Read(func(fd uintptr) (done bool) {
		n, result = read(fd, p)
		return result != syscall.EAGAIN
	})
	switch {
	case err != nil || result != nil:
		return 0, c.failed("read", err, result)
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// Write implements net.Conn.
func (c *conn) Write(p []byte) (n int, err error) {
	var result error
	err = c.raw.Write(func(fd uintptr) (done bool) {
		var more int
		for result = nil; n < len(p) && result == nil; n += more {
			more, result = write(fd, p[n:])
		}
		return result != syscall.EAGAIN
	})
	if err != nil || result != nil {
		return n, c.failed("write", err, result)
	}
	return n, nil
}

// failed returns the error that package net would, of waiting for the socket or, if that did not fail, of the call.
func (c *conn) failed(op string, waiting, call error) error {
	cause, raw := waiting, (*net.OpError)(nil)
	if waiting == nil {
		cause = os.NewSyscallError(op, call)
	} else if errors.As(waiting, &raw) {
		cause = raw.Err
	}
	return &net.OpError{Op: op, Net: c.LocalAddr().Network(), Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: cause}
}
