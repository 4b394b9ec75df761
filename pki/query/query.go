// Package query sends one HTTP request over a connection whose other end is proven, and reads the answer.
package query

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"tlagate/pki/trust"
)

// Server is who is asked. It must not be changed once given.
type Server struct {
	Network string // "tcp" or "unix"; "" = "tcp"
	Address string // HOST:PORT, or the path of a socket
	Party   *trust.Party
	Want    trust.Want // whom the certificate must name

	// Dial connects; nil = net.Dialer's.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Answer is what a server answered, whole.
type Answer struct {
	Peer   *trust.Peer // who answered
	Status int
	Header http.Header
	Body   []byte
}

// Once sends a request on a connection of its own, and reads an answer of at most limit octets, its header included.
// Nothing is sent before the server has proved its identity. When it has and gives no answer, the Answer beside the
// error has the Peer alone. It ends with ctx.
func (s Server) Once(ctx context.Context, req *http.Request, limit int64) (*Answer, error) {
	conn, peer, err := s.Connect(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	req.Close = true
	a, err := exchange(conn, req, limit)
	a.Peer = peer
	if err != nil {
		return a, cmp.Or(ctx.Err(), s.Party.Explain(err))
	}
	return a, nil
}

// Connect connects, and has the server prove its identity.
func (s Server) Connect(ctx context.Context) (net.Conn, *trust.Peer, error) {
	dial := s.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	raw, err := dial(ctx, cmp.Or(s.Network, "tcp"), s.Address)
	if err != nil {
		return nil, nil, err
	}
	return s.Party.Client(ctx, raw, trust.ALPNOuter, s.Want)
}

// exchange writes the request and reads the answer. A write that fails is not final: a server that refuses us may have
// answered already, and closed.
func exchange(conn net.Conn, req *http.Request, limit int64) (*Answer, error) {
	a, room := new(Answer), &io.LimitedReader{R: conn, N: limit + 1}
	sent := req.Write(conn)
	resp, err := http.ReadResponse(bufio.NewReader(room), req)
	if err != nil {
		return a, errors.Join(err, sent)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	switch {
	case room.N == 0:
		return a, errors.New("the answer is too long")
	case err != nil:
		return a, err
	}
	a.Status, a.Header, a.Body = resp.StatusCode, resp.Header, body
	return a, nil
}
