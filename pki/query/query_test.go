package query

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/pkitest"
	"tlagate/pki/revocation"
	"tlagate/pki/trust"
)

// patience is how long a test waits for what must happen, on a machine however slow.
const patience = 2 * time.Minute

// serve answers one connection with f, after a handshake in which it shows a certificate with that identity, and
// returns a Server that wants role pki.
func serve(t *testing.T, identity string, f func(net.Conn)) (s Server, ended <-chan struct{}) {
	ca := pkitest.New(t)
	files := ca.WriteTrust(t.TempDir())
	store, err := trust.Open(trust.Config{Anchors: []trust.AnchorFile{{File: files.Anchor, Practices: []string{"*"}}},
		Revocation: revocation.Config{CRLs: files.CRLs()}})
	require.NoError(t, err)
	party := func(id string, usage x509.ExtKeyUsage, also ...pkitest.Option) *trust.Party {
		cert := ca.Issue(id, usage, also...)
		return &trust.Party{Trust: store, Certificate: func() *tls.Certificate { return &cert }, Timeout: patience}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	own := party(identity, x509.ExtKeyUsageServerAuth, pkitest.DNS("localhost"))
	done := make(chan struct{})
	go func() {
		defer close(done)
		raw, err := l.Accept()
		if err != nil {
			return
		}
		defer raw.Close()
		if c, _, err := own.Server(context.Background(), raw, trust.ALPNOuter,
			trust.Want{Usage: x509.ExtKeyUsageClientAuth}); err == nil {
			f(c)
		}
	}()
	return Server{Address: l.Addr().String(), Party: party("urn:tlagate:op:admin:a", x509.ExtKeyUsageClientAuth),
		Want: trust.Want{Usage: x509.ExtKeyUsageServerAuth, Roles: []pki.Role{pki.RolePKI}, DNSName: "localhost"}}, done
}

const server = "urn:tlagate:op:pki:p1"

func (s Server) once(t *testing.T, body io.Reader, limit int64) (*Answer, error) {
	req, err := http.NewRequest(http.MethodPost, "https://localhost/x", body)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return s.Once(ctx, req, limit)
}

// TestAFailedWriteDoesNotHideAnAnswer: the server has answered, and reads no more, while we still write.
func TestAFailedWriteDoesNotHideAnAnswer(t *testing.T) {
	answered := make(chan struct{})
	s, _ := serve(t, server, func(c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 413 Request Entity Too Large\r\nContent-Length: 2\r\nX-A: b\r\n\r\nno")
		close(answered)
		_, _ = io.Copy(io.Discard, c)
	})
	var conn *deaf
	s.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		conn = &deaf{Conn: c}
		return conn, err
	}
	a, err := s.once(t, readerFunc(func(p []byte) (int, error) {
		<-answered
		conn.gone.Store(true)
		return len(p), nil
	}), 1000)
	require.NoError(t, err)
	require.Equal(t, 413, a.Status)
	require.Equal(t, "no", string(a.Body))
	require.Equal(t, "b", a.Header.Get("X-A"))
	require.Equal(t, server, a.Peer.Identity.String())
}

// deaf is a connection whose other end takes nothing more once it is gone.
type deaf struct {
	net.Conn
	gone atomic.Bool
}

func (d *deaf) Write(p []byte) (int, error) {
	if d.gone.Load() {
		return 0, syscall.EPIPE
	}
	return d.Conn.Write(p)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestC2OnlyAProvenServerIsAsked: one with another role gets nothing.
func TestC2OnlyAProvenServerIsAsked(t *testing.T) {
	got := 0
	s, ended := serve(t, "urn:tlagate:op:gateway:g1", func(c net.Conn) { got, _ = c.Read(make([]byte, 1)) })
	a, err := s.once(t, strings.NewReader("secret"), 1000)
	require.Nil(t, a)
	require.Equal(t, pki.WrongRole, pki.ReasonOf(err))
	<-ended
	require.Zero(t, got)
}

// TestALongAnswerIsAnError, whatever says where it ends; nothing of it is believed.
func TestALongAnswerIsAnError(t *testing.T) {
	for name, head := range map[string]string{"with its length": "Content-Length: 100000\r\n\r\n", "without": "\r\n"} {
		t.Run(name, func(t *testing.T) {
			s, _ := serve(t, server, func(c net.Conn) {
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n"+head)
				_, _ = c.Write(bytes.Repeat([]byte("x"), 100000))
				_ = c.(*tls.Conn).CloseWrite()
				_, _ = io.Copy(io.Discard, c)
			})
			a, err := s.once(t, nil, 1000)
			require.ErrorContains(t, err, "too long")
			require.Zero(t, a.Status)
			require.Empty(t, a.Body)
		})
	}
}

// TestASilentServerIsNotWaitedFor longer than the context.
func TestASilentServerIsNotWaitedFor(t *testing.T) {
	asked := make(chan struct{})
	s, _ := serve(t, server, func(c net.Conn) {
		_, _ = c.Read(make([]byte, 1))
		close(asked)
		_, _ = io.Copy(io.Discard, c)
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	req, err := http.NewRequest(http.MethodGet, "https://localhost/x", nil)
	require.NoError(t, err)
	a, err := s.Once(ctx, req, 1000)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, server, a.Peer.Identity.String())
}
