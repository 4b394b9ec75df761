package bed

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"time"
	"tlagate/pki"
	"tlagate/pki/pkitest"
	"tlagate/pki/revocation"
	"tlagate/pki/trust"
)

// patience is for what must happen, on however slow a machine.
const Patience = 2 * time.Minute

const (
	TLA1 = "urn:tlagate:cab1:tla:t1"
	PdT1 = "urn:tlagate:cab1:pdt:p1"

	AsClient = x509.ExtKeyUsageClientAuth
	AsServer = x509.ExtKeyUsageServerAuth
)

// world is a PKI, written as a trust store, with a judge who trusts it.
type World struct {
	*pkitest.PKI
	T      testing.TB
	Files  pkitest.Files
	Config trust.Config
}

func New(t testing.TB) *World {
	t.Helper()
	w := &World{PKI: pkitest.New(t), T: t}
	w.Files = w.WriteTrust(t.TempDir())
	w.Config = trust.Config{
		Anchors:    []trust.AnchorFile{{File: w.Files.Anchor, Practices: []string{"*"}}},
		Revocation: revocation.Config{CRLs: w.Files.CRLs()},
	}
	return w
}

func (w *World) Open() *trust.Trust {
	w.T.Helper()
	trust, err := trust.Open(w.Config)
	require.NoError(w.T, err)
	return trust
}

func (w *World) Party(store *trust.Trust, id string, usage x509.ExtKeyUsage) *trust.Party {
	w.T.Helper()
	cert := w.Issue(id, usage, pkitest.DNS("localhost"))
	return &trust.Party{Trust: store, Certificate: func() *tls.Certificate { return &cert }}
}

// stranger is the raw configuration of a peer that checks nothing and shows cert.
func Stranger(certs ...tls.Certificate) *tls.Config {
	return &tls.Config{
		Certificates: certs, InsecureSkipVerify: true, NextProtos: []string{trust.ALPNCard},
		ClientAuth: tls.RequireAnyClientCert,
		MinVersion: tls.VersionTLS10,
	}
}

// outcome is what one side of a handshake came to.
type Outcome struct {
	Conn *tls.Conn
	Peer *trust.Peer
	Err  error
}

// serve has the judge be the server against a raw client, and gives the judge's and the client's outcome.
func Serve(t testing.TB, judge *trust.Party, want trust.Want, client *tls.Config) (Outcome, error) {
	t.Helper()
	near, far := Pipe(t)
	return Meet(t, func() Outcome {
		conn, peer, err := judge.Server(context.Background(), near, trust.ALPNCard, want)
		return Outcome{conn, peer, err}
	}, tls.Client(far, client))
}

// dial has the judge be the client against a raw server.
func Dial(t testing.TB, judge *trust.Party, want trust.Want, server *tls.Config) (Outcome, error) {
	t.Helper()
	near, far := Pipe(t)
	return Meet(t, func() Outcome {
		conn, peer, err := judge.Client(context.Background(), near, trust.ALPNCard, want)
		return Outcome{conn, peer, err}
	}, tls.Server(far, server))
}

// meet runs the judge's handshake against a raw peer that reads on until it is told something.
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

// pipe gives a connection over loopback TCP: alerts must survive its closing.
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

func MustParse(t testing.TB, urn string) pki.Identity {
	t.Helper()
	id, err := pki.ParseIdentity(urn)
	require.NoError(t, err)
	return id
}
