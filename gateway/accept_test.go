package gateway

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/trust"
	"tlagate/session/link"
)

// Connections that never finish their handshake cost their own address alone: the first of them is closed.
func TestHalfOpenHandshakesStarveNobodyElse(t *testing.T) {
	r := start(t, limited(Limits{HandshakesPerIP: 4}), handshake(time.Hour))
	var idle []net.Conn
	gone := make(chan int, 4)
	for i := range 4 {
		c, err := net.Dial("tcp", r.addr)
		require.NoError(t, err)
		t.Cleanup(func() { c.Close() })
		_, err = c.Write([]byte{22}) // the first octet of a handshake: what follows may take an hour
		require.NoError(t, err)
		idle = append(idle, c)
		go func() { _, _ = io.Copy(io.Discard, c); gone <- i }()
	}
	r.eventually("all pending", func() bool { return r.pending() == 4 })
	one, err := net.Dial("tcp", r.addr)
	require.NoError(t, err)
	t.Cleanup(func() { one.Close() })
	first := <-gone
	r.logged("connection refused", "reason", "too_many", "peer", "claimed")

	from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	c, err := from.Dial("tcp", r.addr)
	require.NoError(t, err)
	conn, _, err := r.party(r.ca.Issue(tla1, clients)).Client(t.Context(), c, trust.ALPNOuter,
		trust.Want{Usage: servers})
	require.NoError(t, err)
	request(t, conn, "GET", link.PathWhoami, nil)
	conn.Close()

	idle[(first+1)%len(idle)].Close()
	r.eventually("a place is free", func() bool { return r.pending() == 3 })
	r.as(tla1)
}

func (r *rig) pending() int {
	if l := r.g.incoming.Load(); l != nil { // else it does not serve yet
		return l.Pending()
	}
	return 0
}

func TestC2SlowHandshake(t *testing.T) {
	r := start(t, handshake(50*time.Millisecond))
	c, err := net.Dial("tcp", r.addr)
	require.NoError(t, err)
	defer c.Close()
	requireClosed(t, c)
	r.logged("handshake refused", "reason", string(pki.HandshakeSlow), "peer", "claimed")
	r.eventually("place given back", func() bool { return r.pending() == 0 })
}

func TestC2HandshakeRefusedWithItsReason(t *testing.T) {
	r := start(t)
	cert := r.ca.Issue(tla1, clients)
	r.ca.Issuing.Revoke(cert.Leaf)
	c, err := net.Dial("tcp", r.addr)
	require.NoError(t, err)
	r.ca.WriteCRLs(r.files)
	r.trust.Reload()
	conn, _, err := r.party(cert).Client(t.Context(), c, trust.ALPNOuter, trust.Want{Usage: servers})
	require.NoError(t, err) // the server judges after the client is done
	requireClosed(t, conn)
	conn.Close()
	r.logged("handshake refused", "reason", "revoked", "peer", "claimed", "claimed", tla1)
}

// A proven peer gets no more time than others: its header, and a body that it announced, must come.
func TestSlowRequests(t *testing.T) {
	r := start(t, limited(Limits{Request: 100 * time.Millisecond, Idle: 100 * time.Millisecond}))
	for name, sent := range map[string]string{
		"nothing":     "",
		"half a line": "GET /v1/who",
		"no end":      "GET /v1/whoami HTTP/1.1\r\nHost: x\r\nX: ",
		"no body":     "GET /v1/whoami HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			c := r.as(tla1)
			_, err := c.Write([]byte(sent))
			require.NoError(t, err)
			requireClosed(t, c)
		})
	}
	r.eventually("all forgotten", func() bool { return r.connections() == 0 })
}
