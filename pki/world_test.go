package pki_test

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
)

// patience is for what must happen, on however slow a machine.
const patience = 2 * time.Minute

const (
	tla1 = "urn:tlagate:cab1:tla:t1"
	pdt1 = "urn:tlagate:cab1:pdt:p1"

	asClient = x509.ExtKeyUsageClientAuth
	asServer = x509.ExtKeyUsageServerAuth
)

// world is a PKI, written as a trust store, with a judge who trusts it.
type world struct {
	*pkitest.PKI
	t     testing.TB
	files pkitest.Files
	cfg   pki.TrustConfig
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{PKI: pkitest.New(t), t: t}
	w.files = w.WriteTrust(t.TempDir())
	w.cfg = pki.TrustConfig{
		Anchors: []pki.AnchorFile{{File: w.files.Anchor, Practices: []string{"*"}}},
		CRLs:    w.files.CRLs(),
	}
	return w
}

func (w *world) open() *pki.Trust {
	w.t.Helper()
	trust, err := pki.OpenTrust(w.cfg)
	require.NoError(w.t, err)
	return trust
}

func (w *world) party(trust *pki.Trust, id string, usage x509.ExtKeyUsage) *pki.Party {
	w.t.Helper()
	cert := w.Issue(id, usage, pkitest.DNS("localhost"))
	return &pki.Party{Trust: trust, Certificate: func() *tls.Certificate { return &cert }}
}

// stranger is the raw configuration of a peer that checks nothing and shows cert.
func stranger(certs ...tls.Certificate) *tls.Config {
	return &tls.Config{
		Certificates: certs, InsecureSkipVerify: true, NextProtos: []string{pki.ALPNCard}, ClientAuth: tls.RequireAnyClientCert,
		MinVersion: tls.VersionTLS10,
	}
}

// outcome is what one side of a handshake came to.
type outcome struct {
	conn *tls.Conn
	peer *pki.Peer
	err  error
}

// serve has the judge be the server against a raw client, and gives the judge's and the client's outcome.
func serve(t testing.TB, judge *pki.Party, want pki.Want, client *tls.Config) (outcome, error) {
	t.Helper()
	near, far := pipe(t)
	return meet(t, func() outcome {
		conn, peer, err := judge.Server(context.Background(), near, pki.ALPNCard, want)
		return outcome{conn, peer, err}
	}, tls.Client(far, client))
}

// dial has the judge be the client against a raw server.
func dial(t testing.TB, judge *pki.Party, want pki.Want, server *tls.Config) (outcome, error) {
	t.Helper()
	near, far := pipe(t)
	return meet(t, func() outcome {
		conn, peer, err := judge.Client(context.Background(), near, pki.ALPNCard, want)
		return outcome{conn, peer, err}
	}, tls.Server(far, server))
}

// meet runs the judge's handshake against a raw peer that reads on until it is told something.
func meet(t testing.TB, judge func() outcome, raw *tls.Conn) (outcome, error) {
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
	if got.conn != nil {
		got.conn.Close()
	}
	return got, <-told
}

// pipe gives a connection over loopback TCP: alerts must survive its closing.
func pipe(t testing.TB) (near, far net.Conn) {
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

func mustParse(t testing.TB, urn string) pki.Identity {
	t.Helper()
	id, err := pki.ParseIdentity(urn)
	require.NoError(t, err)
	return id
}
