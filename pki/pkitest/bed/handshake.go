package bed

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/pki/trust"
)

// Stranger returns the configuration of a raw peer that checks nothing and shows one of certs.
func Stranger(certs ...tls.Certificate) *tls.Config {
	return &tls.Config{
		Certificates: certs, InsecureSkipVerify: true, NextProtos: []string{trust.ALPNCard},
		ClientAuth: tls.RequireAnyClientCert,
		MinVersion: tls.VersionTLS10,
	}
}

// Outcome is the result of one side of a handshake.
type Outcome struct {
	Conn *tls.Conn
	Peer *trust.Peer
	Err  error
}

// Serve makes the judge the server for a raw client, and returns the judge's outcome and the client's error.
func Serve(t testing.TB, judge *trust.Party, want trust.Want, client *tls.Config) (Outcome, error) {
	t.Helper()
	near, far := Pipe(t)
	return Meet(t, func() Outcome {
		conn, peer, err := judge.Server(context.Background(), near, trust.ALPNCard, want)
		return Outcome{conn, peer, err}
	}, tls.Client(far, client))
}

// Dial makes the judge the client of a raw server, and returns the judge's outcome and the server's error.
func Dial(t testing.TB, judge *trust.Party, want trust.Want, server *tls.Config) (Outcome, error) {
	t.Helper()
	near, far := Pipe(t)
	return Meet(t, func() Outcome {
		conn, peer, err := judge.Client(context.Background(), near, trust.ALPNCard, want)
		return Outcome{conn, peer, err}
	}, tls.Server(far, server))
}

// Meet runs the judge's handshake with a raw peer, which reads on until the connection ends or an alert comes.
func Meet(t testing.TB, judge func() Outcome, raw *tls.Conn) (Outcome, error) {
	t.Helper()
	told := make(chan error, 1)
	go func() {
		err := raw.Handshake()
		if err == nil {
			_, err = io.ReadAll(raw)
		}
		raw.Close()
		told <- err
	}()
	got := judge()
	if got.Conn != nil {
		got.Conn.Close()
	}
	return got, <-told
}

// Pipe returns the two ends of a connection. It is loopback TCP, so that alerts survive its closing.
func Pipe(t testing.TB) (near, far net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	far, err = net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	near, err = l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { near.Close(); far.Close() })
	return near, far
}

// Showing returns the configuration of a client that shows its certificate even where crypto/tls would not.
func Showing(cert tls.Certificate) *tls.Config {
	conf := Stranger()
	conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
	return conf
}
