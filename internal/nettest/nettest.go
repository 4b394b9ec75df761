// Package nettest has the sockets that tests of several packages need.
package nettest

import (
	"net"
	"sync"
	"testing"
)

// Serve listens on loopback, calls serve with each connection, and closes the connection when serve returns.
func Serve(t testing.TB, serve func(net.Conn)) (addr string) {
	t.Helper()
	l := listen(t)
	var running sync.WaitGroup
	t.Cleanup(running.Wait)
	t.Cleanup(func() { l.Close() })
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); serve(c) }()
		}
	})
	return l.Addr().String()
}

// Pair returns the two ends of a TCP connection over loopback.
func Pair(t testing.TB) (near, far net.Conn) {
	t.Helper()
	l := listen(t)
	defer l.Close()
	far, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { far.Close() })
	if near, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close() })
	return near, far
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}
