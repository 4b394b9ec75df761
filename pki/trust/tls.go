package trust

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"time"

	"tlagate/pki"
	"tlagate/pki/internal/describe"
)

// The application protocols of the two layers.
const (
	ALPNOuter = "http/1.1"   // outer link
	ALPNCard  = "tla-card/1" // card session
)

// Party is one end of TLS links: our certificate, and whom we trust.
type Party struct {
	Trust       *Trust
	Certificate func() *tls.Certificate // returns our chain and key, called at each handshake: they may be renewed
	Timeout     time.Duration           // of a handshake; 0 = 10 s
	Hybrids     *Hybrids                // of a client: where hellos have no post-quantum groups; nil = nowhere

	// Denied reports whether the server refuses a peer whose certificate is good, for its identity; nil = none.
	Denied func(pki.Identity) bool

	Crypto pki.Crypto // of Unproven alone: what it takes; otherwise Trust's counts
}

const handshakeTimeout = 10 * time.Second

// Peer is a proven peer.
type Peer struct {
	Identity pki.Identity
	Chain    []*x509.Certificate // as presented
	NotAfter time.Time           // earliest end in the path
	Verdict  *Verdict            // of the handshake, without its checks: it is kept as long as the link
	TLS      pki.Negotiated
	KeepsRGS bool // of a client: its hello offered nothing but what crypto: rgs takes
	want     *Want
}

// Server performs the server side of a handshake on an accepted connection. It returns only when the peer has
// proved its key. On error the connection is closed and the error is a *Refusal (we refused the peer) or a
// *Rejected (the peer refused us).
func (p *Party) Server(ctx context.Context, c net.Conn, alpn string, want Want) (*tls.Conn, *Peer, error) {
	return (&handshake{party: p, want: want, alpn: alpn, conn: c, side: x509.ExtKeyUsageServerAuth}).serve(ctx)
}

func (h *handshake) serve(ctx context.Context) (*tls.Conn, *Peer, error) {
	cert, err := h.ourCertificate()
	if err != nil {
		return nil, nil, err
	}
	conf := h.config()
	conf.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return h.newest(cert), nil }
	// Not RequireAnyClientCert: crypto/tls's own error for a missing certificate has no type. judge refuses it.
	conf.ClientAuth = tls.RequestClientCert
	conf.GetConfigForClient = h.noteHello
	return h.run(ctx, tls.Server(h.conn, conf), conf)
}

// Client performs the client side of a handshake on a dialled connection, as Server does its side. It sends want.SNI,
// or want.DNSName, as the server's name. In TLS 1.3 a client's handshake ends before the server has judged it: pass the
// first read error through Explain.
func (p *Party) Client(ctx context.Context, c net.Conn, alpn string, want Want) (*tls.Conn, *Peer, error) {
	h := &handshake{party: p, want: want, alpn: alpn, conn: c, side: x509.ExtKeyUsageClientAuth, tap: &tapConn{Conn: c}}
	cert, err := h.ourCertificate()
	if err != nil {
		return nil, nil, err
	}
	return h.runClient(ctx, func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return h.newest(cert), nil })
}

func (h *handshake) runClient(ctx context.Context, own func(*tls.CertificateRequestInfo) (*tls.Certificate,
	error)) (*tls.Conn, *Peer, error) {
	conf := h.config()
	conf.ServerName = cmp.Or(h.want.SNI, h.want.DNSName)
	conf.InsecureSkipVerify = true // judge does all of it, with reasons
	conf.GetClientCertificate = own
	groups, note := h.offer()
	conf.CurvePreferences = groups
	conn, peer, err := h.run(ctx, tls.Client(h.tap, conf), conf)
	note(err)
	return conn, peer, err
}

// offer returns the groups of a client's hello, and a function to be called with the handshake's error.
func (h *handshake) offer() ([]tls.CurveID, func(error)) {
	known, address := h.party.Hybrids, h.want.Dialled
	without := known.drops(address)
	return h.crypto().Groups(!without), func(err error) {
		if !errors.Is(err, context.Canceled) {
			known.note(address, without, h.tap.answered)
		}
	}
}

// config returns what both sides have in common; judge is called in every handshake, resumed or not.
func (h *handshake) config() *tls.Config {
	return &tls.Config{
		MinVersion:             pki.AllowedVersion(),
		MaxVersion:             pki.AllowedVersion(),
		CurvePreferences:       h.crypto().Groups(true),
		NextProtos:             h.protocols(),
		SessionTicketsDisabled: true,
		VerifyConnection:       h.judge,
		Time:                   h.party.Trust.now,
	}
}

// protocols returns the application protocol, if one is spoken.
func (h *handshake) protocols() []string {
	if h.alpn == "" {
		return nil
	}
	return []string{h.alpn}
}

// handshake is one handshake under way. Its fields are set by the goroutine that performs it.
type handshake struct {
	party *Party
	want  Want
	alpn  string
	conn  net.Conn
	side  x509.ExtKeyUsage // ours
	tap   *tapConn         // client only
	open  bool             // OpenServer: a peer without a certificate passes
	keeps bool             // server only: the client's hello keeps to crypto: rgs

	refusal *pki.Refusal // the first reason found
	chain   []*x509.Certificate
	verdict *Verdict // set when the claimed certificate is good; empty for a peer that may be and is anonymous
}

func (h *handshake) ourCertificate() (*tls.Certificate, error) {
	if h.party.Certificate != nil {
		if cert := h.party.Certificate(); cert != nil {
			return cert, nil
		}
	}
	h.conn.Close()
	return nil, &pki.Refusal{Reason: pki.HandshakeFailed, Subject: h.whom(),
		Detail: "this side has no certificate of its own to show"}
}

// newest gets our certificate again at the moment when it is shown: a status record that came with the peer's first
// bytes may have brought its staple.
func (h *handshake) newest(cert *tls.Certificate) *tls.Certificate {
	if now := h.party.Certificate(); now != nil {
		return now
	}
	return cert
}

// run performs the handshake, and returns the proven peer, or why there is none.
func (h *handshake) run(ctx context.Context, c *tls.Conn, conf *tls.Config) (*tls.Conn, *Peer, error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(h.party.Timeout, handshakeTimeout))
	defer cancel()
	err := c.HandshakeContext(ctx)
	if err == nil && h.refusal == nil && h.verdict != nil {
		h.tap.stop()
		forget(conf)
		return c, h.proven(c), nil
	}
	if err == nil {
		_ = c.CloseWrite() // close_notify
	}
	err = h.explain(err)
	h.close(err)
	return nil, nil, err
}

// forget takes the handshake, which is over, out of a configuration that the connection keeps for as long as it lives.
func forget(conf *tls.Config) {
	conf.GetCertificate, conf.GetClientCertificate = nil, nil
	conf.GetConfigForClient, conf.VerifyConnection = nil, nil
}

// proven returns the peer.
func (h *handshake) proven(c *tls.Conn) *Peer {
	h.verdict.Checks = nil
	h.ownLeaf()
	h.party.Trust.Share(h.verdict, h.chain) // h.chain is also the connection's
	agreed := pki.NegotiatedOf(c.ConnectionState())
	want := h.want // not all of h
	return &Peer{h.verdict.Identity, h.chain, h.verdict.NotAfter, h.verdict, agreed, h.keeps, &want}
}

// ownLeaf replaces the peer's leaf by an equal one, which does not keep the handshake's message with the whole chain.
func (h *handshake) ownLeaf() {
	if len(h.chain) == 0 {
		return
	}
	if leaf, err := x509.ParseCertificate(bytes.Clone(h.chain[0].Raw)); err == nil {
		h.chain[0], h.verdict.Path[0] = leaf, leaf
	}
}

// judge decides on the peer's certificate. The peer has not yet proved that it holds the key.
func (h *handshake) judge(cs tls.ConnectionState) error {
	h.chain = cs.PeerCertificates
	h.refusal = cmp.Or(h.refusal, h.checkSession(cs))
	if h.refusal != nil && h.refusedLater(cs) {
		return nil
	}
	if h.refusal != nil {
		h.refusal = cmp.Or(h.inspected(), h.refusal)
		return h.refusal
	}
	if h.open && len(h.chain) == 0 {
		h.verdict = &Verdict{}
		return nil
	}
	verdict, err := h.party.Trust.verify(cs.PeerCertificates, h.want,
		circumstances{standing: "claimed ", online: true, handshake: true, staple: cs.OCSPResponse})
	if err != nil {
		h.note(err)
		return err
	}
	if h.party.Denied != nil && h.party.Denied(verdict.Identity) {
		h.refusal = h.refuse(pki.OnDenyList, "an operator denies this identity here")
		return h.refusal
	}
	h.verdict = verdict
	return nil
}

// note records a refusal; an error that is no refusal is recorded as one, so that nothing can pass unnoticed.
func (h *handshake) note(err error) {
	if !errors.As(err, &h.refusal) {
		h.refusal = &pki.Refusal{Reason: pki.BadCertificate, Subject: h.whom(), Detail: err.Error(), Cause: err}
	}
}

func (h *handshake) checkSession(cs tls.ConnectionState) *pki.Refusal {
	switch {
	case cs.Version != pki.AllowedVersion():
		return h.refuse(pki.TLSVersion, "%s was negotiated, want %s", tls.VersionName(cs.Version),
			tls.VersionName(pki.AllowedVersion()))
	case !h.takesSuite(cs.CipherSuite):
		return h.unfit(cs.CipherSuite, 0, "%s was negotiated", tls.CipherSuiteName(cs.CipherSuite))
	case !h.takesGroup(cs.CurveID):
		return h.unfit(0, cs.CurveID, "%s was negotiated", cs.CurveID)
	case cs.DidResume:
		return h.refuse(pki.HandshakeFailed, "it resumed a session; every handshake must be a full one")
	case cs.NegotiatedProtocol != h.alpn:
		return h.refuse(pki.ALPN, "it speaks %q, want %q", describe.Cut(cs.NegotiatedProtocol, 40), h.alpn)
	}
	return nil
}
