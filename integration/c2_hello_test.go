package integration

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/integration/lab"
	"tlagate/pki"
	"tlagate/pki/trust"
)

// helloDefect is a handshake that the gateway refuses from every client.
type helloDefect struct {
	name   string
	reason pki.Reason
	args   []string // of openssl s_client
	bare   bool     // no certificate is shown
}

var helloDefects = []helloDefect{
	{"no client certificate", pki.NoCertificate, openSSL13, true},
	{"no ALPN", pki.ALPN, withSec0, false},
	{"another ALPN", pki.ALPN, []string{"-alpn", "h2"}, false},
	{"the card session's ALPN", pki.ALPN, []string{"-alpn", trust.ALPNCard}, false},
	{"TLS 1.2", pki.TLSVersion, []string{"-alpn", "http/1.1", "-tls1_2"}, false},
	{"CBC suites", pki.CipherSuite, []string{"-alpn", "http/1.1", "-tls1_2", "-cipher",
		"ECDHE-ECDSA-AES256-SHA:AES128-SHA:@SECLEVEL=0"}, false},
	{"CBC suites of TLS 1.1", pki.CipherSuite, []string{"-alpn", "http/1.1", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"},
		false},
	{"another group", pki.CipherSuite, []string{"-alpn", "http/1.1", "-groups", "P-521"}, false},
}

// TestC2GatewayRefusesHandshake: handshakes that no certificate makes good. The rows run one after the other: a refused
// handshake has no identity yet, so its line in the log is found by its position, or by the address.
func TestC2GatewayRefusesHandshake(t *testing.T) {
	b := newBed(t)
	b.ca.publish(t)
	require.NoError(t, b.StartGateway())
	good := []string{"-cert", b.TLAKeys.Cert, "-key", b.TLAKeys.Key, "-cert_chain", b.TLAKeys.Cert}

	accepted(t, b.sClient(t, append(good, openSSL13...)...), lab.TLA)
	for _, d := range helloDefects {
		t.Run("C2 "+d.name, func(t *testing.T) {
			mark := b.GatewayProc.Mark()
			args := d.args
			if !d.bare {
				args = append(append([]string{}, good...), d.args...)
			}
			out := b.sClient(t, args...)
			if slices.Contains(args, "-alpn") {
				alerted(t, out)
			} else { // refused after the handshake, without an alert
				require.Contains(t, out, "TLSv1.3")
				require.NotContains(t, out, "HTTP/1.1")
			}
			logged(t, b.GatewayProc, mark, "reason="+string(d.reason), "peer=claimed")
		})
	}
	for name, d := range rawDefects {
		t.Run("C2 "+name, func(t *testing.T) {
			t.Parallel()
			c, err := net.Dial("tcp", b.GatewayAddr)
			require.NoError(t, err)
			defer c.Close()
			d.do(t, b, c)
			logged(t, b.GatewayProc, 0, "remote="+c.LocalAddr().String(), "reason="+string(d.reason), "peer=claimed")
		})
	}
}

// rawDefects are handshakes that openssl cannot make.
var rawDefects = map[string]struct {
	reason pki.Reason
	do     func(t *testing.T, b *bed, c net.Conn)
}{
	"slow handshake": {pki.HandshakeSlow, func(t *testing.T, _ *bed, c net.Conn) {
		_, err := c.Write([]byte{22, 3, 1, 2}) // the beginning of a hello
		require.NoError(t, err)
		requireClosed(t, c)
	}},
	"silence": {pki.HandshakeSlow, func(t *testing.T, _ *bed, c net.Conn) { requireClosed(t, c) }},
	"not TLS": {pki.HandshakeFailed, func(t *testing.T, _ *bed, c net.Conn) {
		_, err := io.WriteString(c, whoami)
		require.NoError(t, err)
		requireClosed(t, c)
	}},
	"broken off": {pki.HandshakeFailed, func(t *testing.T, _ *bed, c net.Conn) { require.NoError(t, c.Close()) }},
	"somebody else's certificate": {pki.HandshakeFailed, func(t *testing.T, b *bed, c net.Conn) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		stolen := readKeys(t, b.TLAKeys)
		stolen.PrivateKey = key
		_, _, err = ask(t, c, b.client(stolen, trust.ALPNOuter))
		requireAlert(t, err)
	}},
}

// requireClosed waits until the other end closes.
func requireClosed(t *testing.T, c net.Conn) {
	t.Helper()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(patience)))
	_, err := io.Copy(io.Discard, c)
	require.False(t, os.IsTimeout(err), "the connection stays open")
}

// client returns the configuration of a client of the standard library, which makes none of our checks.
func (b *bed) client(cert tls.Certificate, alpn string) *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(b.ca.Root.Cert)
	return &tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: roots, ServerName: "localhost",
		NextProtos: []string{alpn}}
}

func readKeys(t *testing.T, k lab.Keys) tls.Certificate {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(k.Cert, k.Key)
	require.NoError(t, err)
	return pair
}

// ask sends whoami and returns the answer, or the error.
func ask(t *testing.T, c net.Conn, conf *tls.Config) (answer string, resumed bool, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn := tls.Client(c, conf)
	require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
	if err := conn.HandshakeContext(ctx); err != nil {
		return "", false, err
	}
	if _, err := io.WriteString(conn, whoami); err != nil {
		return "", false, err
	}
	all, err := io.ReadAll(conn)
	return string(all), conn.ConnectionState().DidResume, err
}

// requireAlert asserts that err is that of a client which the other end refused by an alert.
func requireAlert(t *testing.T, err error) {
	t.Helper()
	var op *net.OpError
	require.ErrorAs(t, err, &op)
	require.Equal(t, "remote error", op.Op, "the refused side learns it by a TLS alert: %v", err)
}

// TestC2TicketNeverResumes: a gateway issues no session ticket, and one that another server issued changes nothing when
// a client offers it: every handshake is a full one with all checks.
func TestC2TicketNeverResumes(t *testing.T) {
	b := newBed(t)
	b.ca.publish(t)
	require.NoError(t, b.StartGateway())
	issuer := ticketIssuer(t, b.GatewayKeys, trust.ALPNOuter)

	t.Run("C2 session ticket, openssl", func(t *testing.T) {
		session := b.Path("session.pem")
		args := opensslKeys(b.TLAKeys).args()
		accepted(t, b.sClient(t, append(args, "-sess_out", session)...), lab.TLA)
		require.NoFileExists(t, session, "the gateway gives no ticket")
		openssl(t, whoami, append([]string{"s_client", "-connect", issuer, "-servername", "localhost", "-ign_eof",
			"-sess_out", session}, args...)...)
		require.FileExists(t, session, "the other server gives one")
		again := openssl(t, whoami,
			append([]string{"s_client", "-connect", issuer, "-servername", "localhost", "-ign_eof", "-sess_in",
				session}, args...)...)
		require.Contains(t, again, "Reused, TLSv1.3", "where the ticket is accepted")
		out := b.sClient(t, append(args, "-sess_in", session)...)
		accepted(t, out, lab.TLA)
		require.Contains(t, out, "New, TLSv1.3")
		require.NotContains(t, out, "Reused")
	})
	t.Run("C2 session ticket, ClientSessionCache", func(t *testing.T) {
		conf := b.client(readKeys(t, b.TLAKeys), trust.ALPNOuter)
		conf.ClientSessionCache = tls.NewLRUClientSessionCache(4)
		for _, server := range []struct {
			addr    string
			resumes bool
		}{{issuer, false}, {issuer, true}, {b.GatewayAddr, false}, {b.GatewayAddr, false}} {
			c, err := net.Dial("tcp", server.addr)
			require.NoError(t, err)
			answer, resumed, err := ask(t, c, conf)
			require.NoError(t, err)
			require.True(t, strings.HasPrefix(answer, "HTTP/1.1 200"), answer)
			require.Equal(t, server.resumes, resumed)
			require.NoError(t, c.Close())
		}
	})
	t.Run("C2 session ticket of a revoked client", func(t *testing.T) {
		b.ca.Issuing.Revoke(readKeys(t, b.TLAKeys).Leaf)
		b.ca.publish(t)
		hangUp(t, b.GatewayProc)
		alerted(t, b.sClient(t, append(opensslKeys(b.TLAKeys).args(), "-sess_in", b.Path("session.pem"))...))
		logged(t, b.GatewayProc, 0, "reason="+string(pki.Revoked), lab.TLA)
	})
}

// ticketIssuer starts a server with a certificate of ours that does issue tickets.
func ticketIssuer(t *testing.T, keys lab.Keys, alpn string) string {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{readKeys(t, keys)},
		ClientAuth: tls.RequestClientCert, NextProtos: []string{alpn}})
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.SetDeadline(time.Now().Add(patience))
			_, _ = c.Read(make([]byte, 4096))
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { require.NoError(t, l.Close()); <-done })
	return l.Addr().String()
}
