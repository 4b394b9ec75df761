package main

import (
	"io"
	"net"
	"time"
)

// echo is a server that sends back what its one client sends.
type echo struct{ l net.Listener }

func newEcho() (*echo, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	e := &echo{l}
	go e.serve()
	return e, nil
}

func (e *echo) addr() string { return e.l.Addr().String() }

func (e *echo) close() { _ = e.l.Close() }

func (e *echo) serve() {
	c, err := e.l.Accept()
	if err != nil {
		return
	}
	defer c.Close()
	_, _ = io.Copy(c, c)
}

// pings returns the median of n round trips to an echo.
func pings(addr string, n int) (time.Duration, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	var trips []time.Duration
	for range n {
		begun := time.Now()
		if _, err := c.Write([]byte{0}); err != nil {
			return 0, err
		}
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			return 0, err
		}
		trips = append(trips, time.Since(begun))
	}
	return median(trips), nil
}
