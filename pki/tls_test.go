package pki_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/pkitest"
)

// join has two parties meet over loopback.
func join(t testing.TB, server, client *pki.Party, serverWant, clientWant pki.Want) (s, c outcome) {
	t.Helper()
	near, far := pipe(t)
	done := make(chan outcome, 1)
	go func() {
		conn, peer, err := server.Server(context.Background(), near, pki.ALPNCard, serverWant)
		done <- outcome{conn, peer, err}
	}()
	conn, peer, err := client.Client(context.Background(), far, pki.ALPNCard, clientWant)
	c = outcome{conn, peer, err}
	if err == nil {
		t.Cleanup(func() { conn.Close() })
		conn.SetReadDeadline(time.Now().Add(patience))
	}
	return <-done, c
}

func TestC2BothSidesAreProven(t *testing.T) {
	w := newWorld(t)
	trust := w.open()
	s, c := join(t, w.party(trust, pdt1, asServer), w.party(trust, tla1, asClient),
		pki.Want{Usage: asClient, Roles: []pki.Role{pki.RoleTLA}, Practice: "cab1"},
		pki.Want{Usage: asServer, Identity: mustParse(t, pdt1), DNSName: "localhost"})
	require.NoError(t, s.err)
	require.NoError(t, c.err)
	require.Equal(t, tla1, s.peer.Identity.String())
	require.Equal(t, pdt1, c.peer.Identity.String())
	require.Equal(t, s.peer.Verdict.Path[0].NotAfter, s.peer.NotAfter)
	require.Len(t, s.peer.Verdict.Revocation, 2)
	require.NoError(t, trust.Recheck(s.peer))
	state := c.conn.ConnectionState()
	require.EqualValues(t, tls.VersionTLS13, state.Version)
	require.Equal(t, pki.ALPNCard, state.NegotiatedProtocol)
	require.Equal(t, "localhost", s.conn.ConnectionState().ServerName)
	go s.conn.Write([]byte("hello"))
	got := make([]byte, 5)
	_, err := io.ReadFull(c.conn, got)
	require.NoError(t, err)
	require.Equal(t, "hello", string(got))
}

// A group of post-quantum hybrid and a classical one must both go, and RSA and P-384 certificates too.
func TestG5AllowedVariantsAreAccepted(t *testing.T) {
	w := newWorld(t)
	judge := w.party(w.open(), pdt1, asServer)
	for _, g := range pki.TLSGroups {
		t.Run(g.String(), func(t *testing.T) {
			conf := stranger(w.Issue(tla1, asClient))
			conf.CurvePreferences = []tls.CurveID{g}
			got, _ := serve(t, judge, pki.Want{Usage: asClient}, conf)
			require.NoError(t, got.err)
		})
	}
	for name, opt := range map[string]pkitest.Option{"P-384": pkitest.P384(), "RSA-2048": pkitest.RSA(2048), "RSA-3072": pkitest.RSA(3072)} {
		t.Run(name, func(t *testing.T) {
			got, _ := serve(t, judge, pki.Want{Usage: asClient}, stranger(w.Issue(tla1, asClient, opt)))
			require.NoError(t, got.err)
		})
	}
}

// The client's handshake ends before the server has judged: the refusal comes with the first read.
func TestC2RefusedClientIsToldWhatItCanKnow(t *testing.T) {
	cases := []struct {
		name   string
		opts   []pkitest.Option
		revoke bool
		reason pki.Reason
		hint   string
	}{
		{"expired", opts(pkitest.Expired()), false, pki.Expired, "renew it"},
		{"not yet valid", opts(pkitest.NotYetValid()), false, pki.NotYetValid, "clock"},
		{"wrong usage", opts(pkitest.EKU(asServer)), false, pki.ExtKeyUsage, "another use"},
		{"self-signed", opts(pkitest.SelfSigned()), false, pki.SelfSigned, "signed by itself"},
		{"weak", opts(pkitest.RSA(1024)), false, pki.WeakKey, "weak key"},
		{"revoked, and it holds the CRL", nil, true, pki.Revoked, "revoked"},
		{"another role: only the server knows", nil, false, "", "ask the operator"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel() // each waits until the refused side has had its time to read
			w := newWorld(t)
			cert := w.Issue(tla1, asClient, tc.opts...)
			if tc.revoke {
				w.Issuing.Revoke(cert.Leaf)
				w.WriteCRLs(w.files)
			}
			trust := w.open()
			client := &pki.Party{Trust: trust, Certificate: func() *tls.Certificate { return &cert }}
			s, c := join(t, w.party(trust, pdt1, asServer), client,
				pki.Want{Usage: asClient, Roles: []pki.Role{pki.RoleGateway}}, pki.Want{Usage: asServer})
			require.Error(t, s.err)
			require.NoError(t, c.err)
			_, err := c.conn.Read(make([]byte, 1))
			var rejected *pki.Rejected
			require.ErrorAs(t, client.Explain(err), &rejected)
			require.Equal(t, tls.AlertError(42), rejected.Alert)
			require.Equal(t, tc.reason, rejected.Reason)
			require.Contains(t, rejected.Error(), tc.hint)
			require.Contains(t, rejected.Error(), "bad certificate")
		})
	}
}

func TestExplainLeavesOtherErrors(t *testing.T) {
	w := newWorld(t)
	p := w.party(w.open(), tla1, asClient)
	require.NoError(t, p.Explain(nil))
	require.Equal(t, io.EOF, p.Explain(io.EOF))
	other := &net.OpError{Op: "read", Err: io.ErrUnexpectedEOF}
	require.Equal(t, error(other), p.Explain(other))
}

func TestC2RefusedServerIsTold(t *testing.T) {
	w := newWorld(t)
	trust := w.open()
	s, c := join(t, w.party(trust, pdt1, asServer), w.party(trust, tla1, asClient),
		pki.Want{Usage: asClient}, pki.Want{Usage: asServer, Identity: mustParse(t, "urn:tlagate:cab1:pdt:p2")})
	require.Equal(t, pki.WrongPeer, pki.ReasonOf(c.err))
	var rejected *pki.Rejected
	require.ErrorAs(t, s.err, &rejected)
	require.Contains(t, rejected.Hint, "ask the operator")
}

func TestC2ServersThatAreNotTLS13(t *testing.T) {
	w := newWorld(t)
	judge := w.party(w.open(), tla1, asClient)
	want := pki.Want{Usage: asServer}
	t.Run("TLS 1.2 only: it refuses us", func(t *testing.T) {
		conf := stranger(w.Issue(pdt1, asServer))
		conf.MaxVersion = tls.VersionTLS12
		got, _ := dial(t, judge, want, conf)
		var rejected *pki.Rejected
		require.ErrorAs(t, got.err, &rejected)
		require.Equal(t, pki.TLSVersion, rejected.Reason)
	})
	t.Run("no ALPN", func(t *testing.T) {
		conf := stranger(w.Issue(pdt1, asServer))
		conf.NextProtos = nil
		got, _ := dial(t, judge, want, conf)
		require.Equal(t, pki.ALPN, pki.ReasonOf(got.err), "%v", got.err)
	})
	t.Run("no ALPN, and TLS is opened on the way", func(t *testing.T) {
		conf := stranger(forged(pkitest.NoPolicy())(w, asServer))
		conf.NextProtos = nil
		got, _ := dial(t, judge, pki.Want{Usage: asServer, DNSName: onTheWay}, conf)
		require.Equal(t, pki.Inspected, pki.ReasonOf(got.err), "%v", got.err)
		require.ErrorContains(t, got.err, "TEST appliance")
	})
	t.Run("other ALPN: it refuses us", func(t *testing.T) {
		conf := stranger(w.Issue(pdt1, asServer))
		conf.NextProtos = []string{"h2"}
		got, _ := dial(t, judge, want, conf)
		var rejected *pki.Rejected
		require.ErrorAs(t, got.err, &rejected)
		require.Equal(t, pki.ALPN, rejected.Reason)
	})
	for _, tc := range []struct {
		name   string
		hello  []byte
		reason pki.Reason
	}{
		{"ServerHello of TLS 1.2", serverHello(0xc02b, 0), pki.TLSVersion},
		{"ServerHello with a suite not allowed", serverHello(0x1304, tls.VersionTLS13), pki.CipherSuite},
		{"not TLS", []byte("HTTP/1.1 400 Bad Request\r\n\r\n"), pki.HandshakeFailed},
		{"nothing", nil, pki.HandshakeFailed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			near, far := pipe(t)
			go func() { far.Write(tc.hello); far.(*net.TCPConn).CloseWrite(); io.Copy(io.Discard, far); far.Close() }()
			_, _, err := judge.Client(context.Background(), near, pki.ALPNCard, want)
			require.Equal(t, tc.reason, pki.ReasonOf(err), "%v", err)
		})
	}
}

// serverHello is the record of a ServerHello with this suite, and supported_versions unless version is 0.
func serverHello(suite, version uint16) []byte {
	body := append([]byte{3, 3}, make([]byte, 32)...)
	body = append(body, 0, byte(suite>>8), byte(suite), 0)
	if version != 0 {
		body = append(body, 0, 6, 0, 43, 0, 2, byte(version>>8), byte(version))
	}
	message := append([]byte{2, 0, 0, byte(len(body))}, body...)
	return append([]byte{22, 3, 3, 0, byte(len(message))}, message...)
}

func TestServerHelloTruncated(t *testing.T) {
	whole := serverHello(0x1301, tls.VersionTLS13)
	version, suite, ok := pki.ParseServerHello(whole)
	require.True(t, ok)
	require.EqualValues(t, tls.VersionTLS13, version)
	require.EqualValues(t, 0x1301, suite)
	for n := range whole {
		_, _, ok := pki.ParseServerHello(whole[:n])
		require.False(t, ok, "%d bytes", n)
	}
}

func TestC2StolenServerCertificate(t *testing.T) {
	w := newWorld(t)
	victim := w.Issue(pdt1, asServer)
	victim.PrivateKey = w.Issue(pdt1, asServer).PrivateKey
	got, _ := dial(t, w.party(w.open(), tla1, asClient), pki.Want{Usage: asServer}, stranger(victim))
	require.Nil(t, got.peer)
	require.Equal(t, pki.HandshakeFailed, pki.ReasonOf(got.err))
	require.ErrorContains(t, got.err, "did not prove")
	require.ErrorContains(t, got.err, "claimed "+pdt1)
}

func TestC2SlowHandshake(t *testing.T) {
	w := newWorld(t)
	for _, side := range []string{"server", "client"} {
		t.Run(side, func(t *testing.T) {
			judge := w.party(w.open(), pdt1, asServer)
			judge.Timeout = 20 * time.Millisecond
			near, _ := net.Pipe() // the far end says nothing and reads nothing
			var err error
			if side == "server" {
				_, _, err = judge.Server(context.Background(), near, pki.ALPNCard, pki.Want{Usage: asClient})
			} else {
				_, _, err = judge.Client(context.Background(), near, pki.ALPNCard, pki.Want{Usage: asServer})
			}
			require.Equal(t, pki.HandshakeSlow, pki.ReasonOf(err), "%v", err)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			_, err = near.Write([]byte{0})
			require.ErrorIs(t, err, io.ErrClosedPipe)
		})
	}
}

func TestHandshakeGivenUp(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(context.Background())
	near, _ := net.Pipe()
	cancel()
	_, _, err := w.party(w.open(), pdt1, asServer).Server(ctx, near, pki.ALPNCard, pki.Want{Usage: asClient})
	require.Equal(t, pki.HandshakeFailed, pki.ReasonOf(err))
	require.ErrorIs(t, err, context.Canceled)
}

func TestNoCertificateOfOurOwn(t *testing.T) {
	w := newWorld(t)
	near, _ := net.Pipe()
	p := &pki.Party{Trust: w.open(), Certificate: func() *tls.Certificate { return nil }}
	_, _, err := p.Client(context.Background(), near, pki.ALPNCard, pki.Want{Usage: asServer})
	require.Equal(t, pki.HandshakeFailed, pki.ReasonOf(err))
}

// countingCache says how often a session was offered.
type countingCache struct {
	tls.ClientSessionCache
	offered atomic.Int32
}

func (c *countingCache) Get(key string) (*tls.ClientSessionState, bool) {
	s, ok := c.ClientSessionCache.Get(key)
	if ok && s != nil {
		c.offered.Add(1)
	}
	return s, ok
}

// A client that offers a ticket (got from a lax server with the same key) goes through the full checks.
func TestC2OfferedTicketIsNeverResumed(t *testing.T) {
	w := newWorld(t)
	cache := &countingCache{ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	cert := w.Issue(tla1, asClient)
	conf := stranger(cert)
	conf.ServerName, conf.ClientSessionCache = "localhost", cache
	serverCert := w.Issue(pdt1, asServer, pkitest.DNS("localhost"))
	getTicket(t, conf, stranger(serverCert))

	trust := w.open()
	judge := &pki.Party{Trust: trust, Certificate: func() *tls.Certificate { return &serverCert }}
	got, _ := serve(t, judge, pki.Want{Usage: asClient}, conf)
	require.NoError(t, got.err)
	require.EqualValues(t, 1, cache.offered.Load())
	require.False(t, got.conn.ConnectionState().DidResume)

	w.Issuing.Revoke(cert.Leaf)
	w.WriteCRLs(w.files)
	trust.Reload()
	got, _ = serve(t, judge, pki.Want{Usage: asClient}, conf)
	require.EqualValues(t, 2, cache.offered.Load())
	require.Equal(t, pki.Revoked, pki.ReasonOf(got.err))
}

func getTicket(t *testing.T, client, server *tls.Config) {
	t.Helper()
	near, far := pipe(t)
	s, c := tls.Server(near, server), tls.Client(far, client)
	go func() { s.Write([]byte{1}); s.CloseWrite() }()
	_, err := io.ReadAll(c)
	require.NoError(t, err)
	c.Close()
	s.Close()
}

// TestC2HelloWithoutALPN: the handshake ends, so that scanners can grade it, and then the connection does: nobody is
// asked about the client's certificate, and nothing that the client says is served.
func TestC2HelloWithoutALPN(t *testing.T) {
	w := newWorld(t)
	responder := w.Issuing.ServeOCSP(t)
	w.cfg.OCSP.Responders = []string{responder.URL}
	for name, certs := range map[string][]tls.Certificate{"no certificate": nil, "a good one": {w.Issue(tla1, asClient)}} {
		t.Run(name, func(t *testing.T) {
			conf := stranger(certs...)
			conf.NextProtos = nil
			judge := w.party(w.open(), pdt1, asServer)
			near, far := pipe(t)
			client := tls.Client(far, conf)
			served := make(chan error, 1)
			go func() {
				_, _, err := judge.Server(context.Background(), near, pki.ALPNCard, pki.Want{Usage: asClient})
				served <- err
			}()
			require.NoError(t, client.Handshake())
			require.Equal(t, uint16(tls.VersionTLS13), client.ConnectionState().Version)
			_, err := client.Read(make([]byte, 1))
			require.ErrorIs(t, err, io.EOF, "close_notify")
			client.Close()
			require.Equal(t, pki.ALPN, pki.ReasonOf(<-served))
			require.Zero(t, responder.Asked())
		})
	}
}
