package integration

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/integration/lab"
	"tlagate/pki"
	"tlagate/pki/trust"
	"tlagate/session"
	"tlagate/session/link"
)

// peerDefect is a server (a gateway on the outer link, a PdT on the inner one) whose handshake is refused whatever its
// certificate.
type peerDefect struct {
	name   string
	reason pki.Reason
	change func(t *testing.T, c *tls.Config) // changes a TLS server, or:
	behave func(net.Conn)                    // what it does instead
}

var peerDefects = []peerDefect{
	{"no ALPN", pki.ALPN, func(_ *testing.T, c *tls.Config) { c.NextProtos = nil }, nil},
	{"TLS 1.2", pki.TLSVersion, nil, answer(serverHello(0, 0xc02b))},
	{"a CBC suite", pki.CipherSuite, nil, answer(serverHello(tls.VersionTLS13, 0xc00a))},
	{"not TLS", pki.HandshakeFailed, nil, answer([]byte("220 mail ESMTP\r\n"))},
	{"broken off", pki.HandshakeFailed, nil, answer(nil)},
	{"somebody else's certificate", pki.HandshakeFailed, func(t *testing.T, c *tls.Config) {
		c.Certificates[0].PrivateKey = strangeKey(t)
	}, nil},
}

func strangeKey(t *testing.T) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

// answer waits for the hello, sends what, and closes once the other end has answered.
func answer(what []byte) func(net.Conn) {
	return func(c net.Conn) {
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(patience))
		_, _ = c.Read(make([]byte, 4096))
		if len(what) > 0 {
			_, _ = c.Write(what)
			_, _ = c.Read(make([]byte, 4096)) // its alert
		}
	}
}

// serverHello returns a TLS record with a server's choice that no library would make: version 0 = TLS 1.2, any other in
// supported_versions (RFC 8446 section 4.1.3).
func serverHello(version, suite uint16) []byte {
	body := append([]byte{3, 3}, make([]byte, 32)...)
	body = append(body, 0) // no session
	body = append(binary.BigEndian.AppendUint16(body, suite), 0)
	if version != 0 {
		body = append(body, 0, 6, 0, 43, 0, 2)
		body = binary.BigEndian.AppendUint16(body, version)
	}
	message := append([]byte{2, 0, 0, byte(len(body))}, body...)
	return append([]byte{22, 3, 3, 0, byte(len(message))}, message...)
}

// TestC2GatewayHandshakeIsRefused: on the outer link, by relay and PdT.
func TestC2GatewayHandshakeIsRefused(t *testing.T) {
	b := newBed(t)
	b.ca.publish(t)
	p := newPromiscuous(t, b)
	require.NoError(t, b.StartRelay())
	for _, d := range peerDefects {
		t.Run("C2 "+d.name, func(t *testing.T) {
			p.reset(b)
			p.set(func() {
				p.behave = d.behave
				if d.change != nil {
					d.change(t, p.conf)
				}
			})
			b.relayRefuses(t, d.reason)
			b.pdtRefuses(t, d.reason)
		})
	}
	t.Run("accepted without a defect", func(t *testing.T) {
		p.reset(b)
		p.set(func() { p.open = p.joinAny(lab.TLA) })
		b.startPdT(t)
		b.startAccepted(t)
	})
}

// TestC2PdTHandshakeIsRefused: on the inner link, by the TLA.
func TestC2PdTHandshakeIsRefused(t *testing.T) {
	b := newBed(t)
	b.ca.publish(t)
	p := newPromiscuous(t, b)
	require.NoError(t, b.StartRelay())
	proper := func() *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{readKeys(t, b.ServerKeys)},
			ClientAuth: tls.RequestClientCert, NextProtos: []string{trust.ALPNCard}}
	}
	for _, d := range peerDefects {
		t.Run("C2 "+d.name, func(t *testing.T) {
			conf := proper()
			if d.change != nil {
				d.change(t, conf)
			}
			p.set(func() {
				p.open = playPdTWith(conf)
				if d.behave != nil {
					p.open = func(l *link.Conn, _ joinedBy) error { d.behave(l); return nil }
				}
			})
			why := b.startRefused(t)
			require.Equal(t, "refused", why.Code, "%+v", why)
			require.Equal(t, string(d.reason), why.Reason, "%+v", why)
		})
	}
	t.Run("accepted without a defect", func(t *testing.T) {
		p.set(func() { p.open = playPdTWith(proper()) })
		b.startAccepted(t)
	})
}

// TestC2TLAHandshakeIsRefused: on the inner link, by the PdT.
func TestC2TLAHandshakeIsRefused(t *testing.T) {
	b := newBed(t)
	b.ca.publish(t)
	p := newPromiscuous(t, b)
	b.startPdT(t)
	for name, d := range map[string]struct {
		reason pki.Reason
		change func(c *tls.Config)
	}{
		"no certificate":        {pki.NoCertificate, func(c *tls.Config) { c.Certificates = nil }},
		"no ALPN":               {pki.ALPN, func(c *tls.Config) { c.NextProtos = nil }},
		"the outer link's ALPN": {pki.ALPN, func(c *tls.Config) { c.NextProtos = []string{trust.ALPNOuter} }},
		"TLS 1.2":               {pki.TLSVersion, func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }},
		"CBC suites":            {pki.CipherSuite, onlyCBC},
		"another group": {pki.CipherSuite, func(c *tls.Config) {
			c.CurvePreferences = []tls.CurveID{tls.CurveP521}
		}},
		"somebody else's certificate": {pki.HandshakeFailed, func(c *tls.Config) {
			c.Certificates[0].PrivateKey = strangeKey(t)
		}},
	} {
		t.Run("C2 "+name, func(t *testing.T) {
			conf := b.client(readKeys(t, b.TLAKeys), trust.ALPNCard)
			d.change(conf)
			mark := b.PdTProc.Mark()
			err := p.playTLAWith(t, conf, lab.TLA)
			if len(conf.NextProtos) == 0 {
				require.ErrorIs(t, err, io.EOF, "refused after the handshake")
			} else {
				requireAlert(t, err)
			}
			logged(t, b.PdTProc, mark, "TLA refused", "reason="+string(d.reason), "peer=claimed")
		})
	}
	t.Run("C2 session ticket", func(t *testing.T) {
		conf := b.client(readKeys(t, b.TLAKeys), trust.ALPNCard)
		conf.ClientSessionCache = tls.NewLRUClientSessionCache(4)
		conf.InsecureSkipVerify = true
		issuer := ticketIssuer(t, b.ServerKeys, trust.ALPNCard)
		for _, resumes := range []bool{false, true} {
			c, err := net.Dial("tcp", issuer)
			require.NoError(t, err)
			_, resumed, err := ask(t, c, conf)
			require.NoError(t, err)
			require.Equal(t, resumes, resumed, "where the ticket is accepted")
			require.NoError(t, c.Close())
		}
		require.NoError(t, p.playTLAWith(t, conf, lab.TLA), "accepted by a full handshake")
	})
	t.Run("C2 not TLS", func(t *testing.T) {
		mark := b.PdTProc.Mark()
		l := p.takeParked(t)
		defer l.Close()
		require.NoError(t, l.WriteJoined(link.Joined{Generation: 1, TLA: lab.TLA, Session: session.NewID().String(),
			Nonce: "n"}))
		_, err := io.WriteString(l, whoami)
		require.NoError(t, err)
		logged(t, b.PdTProc, mark, "TLA refused", "reason="+string(pki.HandshakeFailed), "peer=claimed")
	})
	t.Run("accepted without a defect", func(t *testing.T) {
		require.NoError(t, p.playTLA(t, b, readKeys(t, b.TLAKeys), lab.TLA))
	})
}

func onlyCBC(c *tls.Config) {
	c.MaxVersion = tls.VersionTLS12
	c.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA}
}

// TestC2SlowHandshakes: a peer that says nothing is refused after the ten seconds of a handshake, on every link.
func TestC2SlowHandshakes(t *testing.T) {
	b := newBed(t)
	b.ca.publish(t)
	p := newPromiscuous(t, b)
	require.NoError(t, b.StartRelay())
	b.startPdT(t)
	silent := p.takeParked(t)
	defer silent.Close()
	require.NoError(t, silent.WriteJoined(link.Joined{Generation: 1, TLA: lab.TLA, Session: session.NewID().String(),
		Nonce: "n"}))
	p.set(func() { p.open = func(l *link.Conn, _ joinedBy) error { _, err := io.Copy(io.Discard, l); return err } })

	slow := string(pki.HandshakeSlow)
	t.Run("C2 silent PdT", func(t *testing.T) {
		why := b.startRefused(t)
		require.Equal(t, slow, why.Reason, "%+v", why)
		require.Equal(t, lab.PdT, why.Peer)
	})
	t.Run("C2 silent TLA", func(t *testing.T) {
		logged(t, b.PdTProc, 0, "TLA refused", "reason="+slow, "peer=claimed")
	})
}

// TestC2SilentGateway: likewise on the outer link.
func TestC2SilentGateway(t *testing.T) {
	b := newBed(t)
	b.ca.publish(t)
	p := newPromiscuous(t, b)
	p.set(func() { p.behave = func(c net.Conn) { _, _ = io.Copy(io.Discard, c) } })
	require.NoError(t, b.StartRelay())
	require.NoError(t, b.LaunchPdT())
	b.relayRefuses(t, pki.HandshakeSlow)
	logged(t, b.PdTProc, 0, "no link to the gateway", "reason="+string(pki.HandshakeSlow), "peer=claimed")
}
