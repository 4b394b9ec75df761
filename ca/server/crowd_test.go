package server

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/ca"
)

// TestC1WhoReadsNoListKeepsNobodyOut: clients that ask for a long list and do not read it go when others come, whatever
// they send after the request.
func TestC1WhoReadsNoListKeepsNobodyOut(t *testing.T) {
	for name, send := range map[string]struct{ header, later string }{
		"a body that never comes":  {"Content-Length: 1000000\r\n", ""},
		"the next request's start": {"", "G"},
	} {
		t.Run(name, func(t *testing.T) {
			const places = 4
			on := servePublic(t, places)
			sent := 0
			for range places {
				sent += askOnly(t, on.Addr().String(), send.header, send.later)
			}
			eventually(t, "all has been read", func() bool { return int(on.read.Load()) == sent })
			eventually(t, "a newcomer has the list", func() bool {
				client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
				res, err := client.Get("http://" + on.Addr().String() + "/crl.der")
				if err != nil {
					return false
				}
				defer res.Body.Close()
				n, err := io.Copy(io.Discard, res.Body)
				return err == nil && n == longList
			})
		})
	}
}

const longList = 16 << 20 // octets: more than the system keeps for a connection

// servePublic serves a long list until the test ends.
func servePublic(t *testing.T, places int) *counting {
	b := newBed(t, ca.InitConfig{})
	require.NoError(t, os.WriteFile(b.ca.Public("crl.der"), make([]byte, longList), 0o644))
	s, err := New(Config{CA: b.ca, Public: places})
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	public, on := s.publicServer(), &counting{Listener: l}
	go func() { _ = public.Serve(s.publicRoom().Listener(on)) }()
	t.Cleanup(func() { public.Close(); s.Close() })
	return on
}

// counting counts the octets that are read from its connections.
type counting struct {
	net.Listener
	read atomic.Int64
}

type countedConn struct {
	net.Conn
	by *counting
}

func (l *counting) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return &countedConn{c, l}, err
}

func (c *countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.by.read.Add(int64(n))
	return n, err
}

// askOnly asks for the list, reads its first octet, so that it is being sent, sends something more, and returns how
// many octets it has sent.
func askOnly(t *testing.T, addr, header, later string) int {
	c, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	n, err := fmt.Fprintf(c, "GET /crl.der HTTP/1.1\r\nHost: x\r\n%s\r\n", header)
	require.NoError(t, err)
	_, err = c.Read(make([]byte, 1))
	require.NoError(t, err)
	_, err = io.WriteString(c, later)
	require.NoError(t, err)
	return n + len(later)
}
