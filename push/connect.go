package push

import (
	"bufio"
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"tlagate/pki"
	"tlagate/pki/trust"
)

// stream is one connection that events come from.
type stream struct {
	conn net.Conn
	peer *trust.Peer
	body io.Reader
	stop func() bool // keeps the end of the context from closing the connection
}

func (s *stream) Close() error {
	s.stop()
	return s.conn.Close()
}

// connect dials, has the server prove its identity, and asks for the events since the last one seen.
func (s *Subscriber) connect(ctx context.Context) (*stream, error) {
	limited, cancel := context.WithTimeout(ctx, s.cfg.Silence)
	defer cancel()
	raw, err := new(net.Dialer).DialContext(limited, "tcp", s.host)
	if err != nil {
		return nil, fmt.Errorf("cannot reach the PKI: %w", err)
	}
	conn, peer, err := s.cfg.Party.Client(limited, raw, trust.ALPNOuter, trust.Want{
		Usage: x509.ExtKeyUsageServerAuth, Roles: []pki.Role{pki.RolePKI}, DNSName: s.name,
	})
	if err != nil {
		return nil, err
	}
	out := &stream{conn: conn, peer: peer, stop: context.AfterFunc(ctx, func() { conn.Close() })}
	if out.body, err = s.ask(conn); err != nil {
		out.Close()
		return nil, s.cfg.Party.Explain(err)
	}
	return out, nil
}

// ask sends the request and returns the body of its answer, whose every read is bounded in time.
func (s *Subscriber) ask(conn net.Conn) (io.Reader, error) {
	req, err := http.NewRequest(http.MethodGet, "https://"+s.host+Path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", ContentType)
	if s.since > 0 {
		req.URL.RawQuery = "since=" + strconv.FormatInt(s.since, 10)
	}
	bounded := &timely{conn, s.cfg.Silence}
	_ = conn.SetWriteDeadline(time.Now().Add(s.cfg.Silence))
	if err := req.Write(conn); err != nil {
		return nil, err
	}
	header := &io.LimitedReader{R: bounded, N: maxHeader}
	in := bufio.NewReaderSize(header, 4096)
	resp, err := http.ReadResponse(in, req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("cannot listen for revocations: the server answered %d", resp.StatusCode)
	}
	header.N = 1<<63 - 1
	return resp.Body, nil
}

// maxHeader bounds, in octets, what a server may say before the stream begins.
const maxHeader = 64 << 10

// timely is a connection that counts as dead after a silence.
type timely struct {
	net.Conn
	silence time.Duration
}

// Read waits no longer than the silence.
func (t *timely) Read(p []byte) (int, error) {
	if err := t.SetReadDeadline(time.Now().Add(t.silence)); err != nil {
		return 0, err
	}
	return t.Conn.Read(p)
}
