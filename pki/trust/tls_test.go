package trust_test

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
	"tlagate/pki/pkitest/bed"
	"tlagate/pki/trust"
)

// join performs a handshake between two parties over loopback.
func join(t testing.TB, server, client *trust.Party, serverWant, clientWant trust.Want) (s, c bed.Outcome) {
	t.Helper()
	near, far := bed.Pipe(t)
	done := make(chan bed.Outcome, 1)
	go func() {
		conn, peer, err := server.Server(context.Background(), near, trust.ALPNCard, serverWant)
		done <- bed.Outcome{Conn: conn, Peer: peer, Err: err}
	}()
	conn, peer, err := client.Client(context.Background(), far, trust.ALPNCard, clientWant)
	c = bed.Outcome{Conn: conn, Peer: peer, Err: err}
	if err == nil {
		t.Cleanup(func() { conn.Close() })
		conn.SetReadDeadline(time.Now().Add(bed.Patience))
	}
	return <-done, c
}

func TestC2BothSidesAreProven(t *testing.T) {
	w := bed.New(t)
	store := w.Open()
	s, c := join(t, w.Party(store, bed.PdT1, bed.AsServer), w.Party(store, bed.TLA1, bed.AsClient),
		trust.Want{Usage: bed.AsClient, Roles: []pki.Role{pki.RoleTLA}, Practice: "cab1"},
		trust.Want{Usage: bed.AsServer, Identity: bed.MustParse(t, bed.PdT1), DNSName: "localhost"})
	require.NoError(t, s.Err)
	require.NoError(t, c.Err)
	require.Equal(t, bed.TLA1, s.Peer.Identity.String())
	require.Equal(t, bed.PdT1, c.Peer.Identity.String())
	require.Equal(t, s.Peer.Verdict.Path[0].NotAfter, s.Peer.NotAfter)
	require.Len(t, s.Peer.Verdict.Revocation, 2)
	require.NoError(t, store.Recheck(s.Peer))
	state := c.Conn.ConnectionState()
	require.EqualValues(t, tls.VersionTLS13, state.Version)
	require.Equal(t, trust.ALPNCard, state.NegotiatedProtocol)
	require.Equal(t, "localhost", s.Conn.ConnectionState().ServerName)
	go s.Conn.Write([]byte("hello"))
	got := make([]byte, 5)
	_, err := io.ReadFull(c.Conn, got)
	require.NoError(t, err)
	require.Equal(t, "hello", string(got))
}

// Every allowed group must work, hybrid and classical, and RSA and P-384 certificates too.
func TestG5AllowedVariantsAreAccepted(t *testing.T) {
	w := bed.New(t)
	judge := w.Party(w.Open(), bed.PdT1, bed.AsServer)
	for _, g := range pki.CryptoDefault.Groups(true) {
		t.Run(g.String(), func(t *testing.T) {
			conf := bed.Stranger(w.Issue(bed.TLA1, bed.AsClient))
			conf.CurvePreferences = []tls.CurveID{g}
			got, _ := bed.Serve(t, judge, trust.Want{Usage: bed.AsClient}, conf)
			require.NoError(t, got.Err)
		})
	}
	for name, opt := range map[string]pkitest.Option{"P-384": pkitest.P384(), "RSA-2048": pkitest.RSA(2048),
		"RSA-3072": pkitest.RSA(3072)} {
		t.Run(name, func(t *testing.T) {
			got, _ := bed.Serve(t, judge, trust.Want{Usage: bed.AsClient},
				bed.Stranger(w.Issue(bed.TLA1, bed.AsClient, opt)))
			require.NoError(t, got.Err)
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
		{"wrong usage", opts(pkitest.EKU(bed.AsServer)), false, pki.ExtKeyUsage, "another use"},
		{"self-signed", opts(pkitest.SelfSigned()), false, pki.SelfSigned, "signed by itself"},
		{"weak", opts(pkitest.RSA(1024)), false, pki.WeakKey, "weak key"},
		{"revoked, and it holds the CRL", nil, true, pki.Revoked, "revoked"},
		{"another role: only the server knows", nil, false, "", "ask the operator"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel() // each waits until the refused side has had time to read the alert
			w := bed.New(t)
			cert := w.Issue(bed.TLA1, bed.AsClient, tc.opts...)
			if tc.revoke {
				w.Issuing.Revoke(cert.Leaf)
				w.WriteCRLs(w.Files)
			}
			store := w.Open()
			client := &trust.Party{Trust: store, Certificate: func() *tls.Certificate { return &cert }}
			s, c := join(t, w.Party(store, bed.PdT1, bed.AsServer), client,
				trust.Want{Usage: bed.AsClient, Roles: []pki.Role{pki.RoleGateway}}, trust.Want{Usage: bed.AsServer})
			require.Error(t, s.Err)
			require.NoError(t, c.Err)
			_, err := c.Conn.Read(make([]byte, 1))
			var rejected *trust.Rejected
			require.ErrorAs(t, client.Explain(err), &rejected)
			require.Equal(t, tls.AlertError(42), rejected.Alert)
			require.Equal(t, tc.reason, rejected.Reason)
			require.Contains(t, rejected.Error(), tc.hint)
			require.Contains(t, rejected.Error(), "bad certificate")
		})
	}
}

func TestExplainLeavesOtherErrors(t *testing.T) {
	w := bed.New(t)
	p := w.Party(w.Open(), bed.TLA1, bed.AsClient)
	require.NoError(t, p.Explain(nil))
	require.Equal(t, io.EOF, p.Explain(io.EOF))
	other := &net.OpError{Op: "read", Err: io.ErrUnexpectedEOF}
	require.Equal(t, error(other), p.Explain(other))
}

func TestC2RefusedServerIsTold(t *testing.T) {
	w := bed.New(t)
	store := w.Open()
	s, c := join(t, w.Party(store, bed.PdT1, bed.AsServer), w.Party(store, bed.TLA1, bed.AsClient),
		trust.Want{Usage: bed.AsClient}, trust.Want{Usage: bed.AsServer,
			Identity: bed.MustParse(t, "urn:tlagate:cab1:pdt:p2")})
	require.Equal(t, pki.WrongPeer, pki.ReasonOf(c.Err))
	var rejected *trust.Rejected
	require.ErrorAs(t, s.Err, &rejected)
	require.Contains(t, rejected.Hint, "ask the operator")
}

func TestC2ServersThatAreNotTLS13(t *testing.T) {
	w := bed.New(t)
	judge := w.Party(w.Open(), bed.TLA1, bed.AsClient)
	want := trust.Want{Usage: bed.AsServer}
	t.Run("TLS 1.2 only: it refuses us", func(t *testing.T) {
		conf := bed.Stranger(w.Issue(bed.PdT1, bed.AsServer))
		conf.MaxVersion = tls.VersionTLS12
		got, _ := bed.Dial(t, judge, want, conf)
		var rejected *trust.Rejected
		require.ErrorAs(t, got.Err, &rejected)
		require.Equal(t, pki.TLSVersion, rejected.Reason)
	})
	t.Run("no ALPN", func(t *testing.T) {
		conf := bed.Stranger(w.Issue(bed.PdT1, bed.AsServer))
		conf.NextProtos = nil
		got, _ := bed.Dial(t, judge, want, conf)
		require.Equal(t, pki.ALPN, pki.ReasonOf(got.Err), "%v", got.Err)
	})
	t.Run("no ALPN, and TLS is opened on the way", func(t *testing.T) {
		conf := bed.Stranger(forged(pkitest.NoPolicy())(w, bed.AsServer))
		conf.NextProtos = nil
		got, _ := bed.Dial(t, judge, trust.Want{Usage: bed.AsServer, DNSName: onTheWay}, conf)
		require.Equal(t, pki.Inspected, pki.ReasonOf(got.Err), "%v", got.Err)
		require.ErrorContains(t, got.Err, "TEST appliance")
	})
	t.Run("other ALPN: it refuses us", func(t *testing.T) {
		conf := bed.Stranger(w.Issue(bed.PdT1, bed.AsServer))
		conf.NextProtos = []string{"h2"}
		got, _ := bed.Dial(t, judge, want, conf)
		var rejected *trust.Rejected
		require.ErrorAs(t, got.Err, &rejected)
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
			near, far := bed.Pipe(t)
			go func() { far.Write(tc.hello); far.(*net.TCPConn).CloseWrite(); io.Copy(io.Discard, far); far.Close() }()
			_, _, err := judge.Client(context.Background(), near, trust.ALPNCard, want)
			require.Equal(t, tc.reason, pki.ReasonOf(err), "%v", err)
		})
	}
}

// serverHello returns the record of a ServerHello with this suite, and supported_versions unless version is 0.
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
	version, suite, ok := trust.ParseServerHello(whole)
	require.True(t, ok)
	require.EqualValues(t, tls.VersionTLS13, version)
	require.EqualValues(t, 0x1301, suite)
	for n := range whole {
		_, _, ok := trust.ParseServerHello(whole[:n])
		require.False(t, ok, "%d bytes", n)
	}
}

func TestC2StolenServerCertificate(t *testing.T) {
	w := bed.New(t)
	victim := w.Issue(bed.PdT1, bed.AsServer)
	victim.PrivateKey = w.Issue(bed.PdT1, bed.AsServer).PrivateKey
	got, _ := bed.Dial(t, w.Party(w.Open(), bed.TLA1, bed.AsClient), trust.Want{Usage: bed.AsServer},
		bed.Stranger(victim))
	require.Nil(t, got.Peer)
	require.Equal(t, pki.HandshakeFailed, pki.ReasonOf(got.Err))
	require.ErrorContains(t, got.Err, "did not prove")
	require.ErrorContains(t, got.Err, "claimed "+bed.PdT1)
}

func TestC2SlowHandshake(t *testing.T) {
	w := bed.New(t)
	for _, side := range []string{"server", "client"} {
		t.Run(side, func(t *testing.T) {
			judge := w.Party(w.Open(), bed.PdT1, bed.AsServer)
			judge.Timeout = 20 * time.Millisecond
			near, _ := net.Pipe() // the far end says nothing and reads nothing
			var err error
			if side == "server" {
				_, _, err = judge.Server(context.Background(), near, trust.ALPNCard, trust.Want{Usage: bed.AsClient})
			} else {
				_, _, err = judge.Client(context.Background(), near, trust.ALPNCard, trust.Want{Usage: bed.AsServer})
			}
			require.Equal(t, pki.HandshakeSlow, pki.ReasonOf(err), "%v", err)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			_, err = near.Write([]byte{0})
			require.ErrorIs(t, err, io.ErrClosedPipe)
		})
	}
}

func TestHandshakeGivenUp(t *testing.T) {
	w := bed.New(t)
	ctx, cancel := context.WithCancel(context.Background())
	near, _ := net.Pipe()
	cancel()
	_, _, err := w.Party(w.Open(), bed.PdT1, bed.AsServer).Server(ctx, near, trust.ALPNCard,
		trust.Want{Usage: bed.AsClient})
	require.Equal(t, pki.HandshakeFailed, pki.ReasonOf(err))
	require.ErrorIs(t, err, context.Canceled)
}

func TestNoCertificateOfOurOwn(t *testing.T) {
	w := bed.New(t)
	near, _ := net.Pipe()
	p := &trust.Party{Trust: w.Open(), Certificate: func() *tls.Certificate { return nil }}
	_, _, err := p.Client(context.Background(), near, trust.ALPNCard, trust.Want{Usage: bed.AsServer})
	require.Equal(t, pki.HandshakeFailed, pki.ReasonOf(err))
}

// countingCache counts how often a session was offered.
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

// A client that offers a ticket, from a lax server with the same key, must pass the full checks.
func TestC2OfferedTicketIsNeverResumed(t *testing.T) {
	w := bed.New(t)
	cache := &countingCache{ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	cert := w.Issue(bed.TLA1, bed.AsClient)
	conf := bed.Stranger(cert)
	conf.ServerName, conf.ClientSessionCache = "localhost", cache
	serverCert := w.Issue(bed.PdT1, bed.AsServer, pkitest.DNS("localhost"))
	getTicket(t, conf, bed.Stranger(serverCert))

	store := w.Open()
	judge := &trust.Party{Trust: store, Certificate: func() *tls.Certificate { return &serverCert }}
	got, _ := bed.Serve(t, judge, trust.Want{Usage: bed.AsClient}, conf)
	require.NoError(t, got.Err)
	require.EqualValues(t, 1, cache.offered.Load())
	require.False(t, got.Conn.ConnectionState().DidResume)

	w.Issuing.Revoke(cert.Leaf)
	w.WriteCRLs(w.Files)
	store.Reload()
	got, _ = bed.Serve(t, judge, trust.Want{Usage: bed.AsClient}, conf)
	require.EqualValues(t, 2, cache.offered.Load())
	require.Equal(t, pki.Revoked, pki.ReasonOf(got.Err))
}

func getTicket(t *testing.T, client, server *tls.Config) {
	t.Helper()
	near, far := bed.Pipe(t)
	s, c := tls.Server(near, server), tls.Client(far, client)
	go func() { s.Write([]byte{1}); s.CloseWrite() }()
	_, err := io.ReadAll(c)
	require.NoError(t, err)
	c.Close()
	s.Close()
}

// TestC2HelloWithoutALPN: the handshake is finished, so that scanners can grade it, and then the connection is closed:
// no responder is asked about the client's certificate, and nothing that the client sends is served.
func TestC2HelloWithoutALPN(t *testing.T) {
	w := bed.New(t)
	responder := w.Issuing.ServeOCSP(t)
	w.Config.OCSP.Responders = []string{responder.URL}
	for name, certs := range map[string][]tls.Certificate{"no certificate": nil,
		"a good one": {w.Issue(bed.TLA1, bed.AsClient)}} {
		t.Run(name, func(t *testing.T) {
			conf := bed.Stranger(certs...)
			conf.NextProtos = nil
			judge := w.Party(w.Open(), bed.PdT1, bed.AsServer)
			near, far := bed.Pipe(t)
			client := tls.Client(far, conf)
			served := make(chan error, 1)
			go func() {
				_, _, err := judge.Server(context.Background(), near, trust.ALPNCard, trust.Want{Usage: bed.AsClient})
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
