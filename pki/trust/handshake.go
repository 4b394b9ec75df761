package trust

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"tlagate/pki"
	"tlagate/pki/internal/describe"
)

// This file finds out why a handshake failed. crypto/tls's errors have no types, so the facts are gathered meanwhile:
// what the client's hello offered, what the server's hello chose.

func (h *handshake) refuse(r pki.Reason, format string, args ...any) *pki.Refusal {
	refusal := &pki.Refusal{Reason: r, Subject: h.whom(), Detail: fmt.Sprintf(format, args...)}
	if len(h.chain) > 0 {
		refusal.Claimed, _ = pki.IdentityOf(h.chain[0])
		refusal.Serial = h.chain[0].SerialNumber
	}
	return refusal
}

// whom describes the other end as far as it is known.
func (h *handshake) whom() string {
	from := "connection with unknown address"
	if a := h.conn.RemoteAddr(); a != nil {
		from = "connection with " + a.String()
	}
	if len(h.chain) == 0 {
		return from
	}
	return describe.Leaf(h.chain[0], "claimed ") + ", " + from
}

// explain turns the outcome of a handshake without a proven peer into a *Refusal or a *Rejected.
func (h *handshake) explain(err error) error {
	if h.refusal != nil {
		return h.refusal
	}
	if alert, ok := remoteAlert(err); ok {
		return h.party.rejected(alert, h.side)
	}
	if refusal := h.tap.checkServerHello(h); refusal != nil {
		return refusal
	}
	refusal := h.refuse(pki.HandshakeFailed, "%s", h.failure(err))
	refusal.Cause = err
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		refusal.Reason, refusal.Detail = pki.HandshakeSlow, "the handshake was not finished in time"
	}
	return refusal
}

func (h *handshake) failure(err error) string {
	if err == nil {
		return "the handshake ended without a verdict"
	}
	why := describe.Cut(err.Error(), 200)
	if h.verdict != nil {
		return "it did not prove that it holds the key of that certificate: " + why
	}
	return why
}

// close ends the connection. A peer that was just sent an alert has a moment to read it: to close with its data unread
// would reset the connection, and the alert would be lost.
func (h *handshake) close(err error) {
	defer h.conn.Close()
	var r *pki.Refusal
	if !errors.As(err, &r) {
		return
	}
	if half, ok := h.conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	_ = h.conn.SetReadDeadline(time.Now().Add(lingerTime))
	_, _ = io.Copy(io.Discard, io.LimitReader(h.conn, lingerBytes))
}

const (
	lingerTime  = time.Second
	lingerBytes = 64 << 10
)

// noteHello notes what is wrong with a client's hello. crypto/tls then refuses the client by itself, with the proper
// alert, if it can. It lets a client without ALPN through, which judge refuses only at the end of the handshake.
func (h *handshake) noteHello(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	h.refusal = h.checkHello(hello)
	h.keeps = pki.CryptoRGS.Keeps(hello.CipherSuites, hello.SupportedCurves)
	return nil, nil
}

// refusedLater reports whether the handshake may end before its peer is refused: scanners that grade a server by its
// suites and groups offer no ALPN. Nothing is asked or looked up for such a peer, and none of its octets is read.
func (h *handshake) refusedLater(cs tls.ConnectionState) bool {
	return h.side == x509.ExtKeyUsageServerAuth && h.refusal.Reason == pki.ALPN && cs.NegotiatedProtocol == ""
}

func (h *handshake) checkHello(hello *tls.ClientHelloInfo) *pki.Refusal {
	if !slices.Contains(hello.SupportedVersions, pki.AllowedVersion()) {
		if !slices.ContainsFunc(hello.CipherSuites, authenticated) {
			return h.refuse(pki.CipherSuite,
				"it offers only cipher suites without authenticated encryption (CBC, RC4 …), and no TLS 1.3")
		}
		return h.refuse(pki.TLSVersion, "it offers no TLS 1.3")
	}
	if !slices.ContainsFunc(hello.CipherSuites, h.takesSuite) {
		return h.lacks(hello, "TLS 1.3 cipher suites")
	}
	if !slices.ContainsFunc(hello.SupportedCurves, h.takesGroup) {
		return h.lacks(hello, "groups")
	}
	if !slices.Contains(hello.SupportedProtos, h.alpn) {
		return h.refuse(pki.ALPN, "it offers %s, want %q", protocols(hello.SupportedProtos), h.alpn)
	}
	return nil
}

func protocols(offered []string) string {
	if len(offered) == 0 {
		return "no application protocol (ALPN)"
	}
	return describe.Cut(fmt.Sprintf("%q", offered), 100)
}

// authenticated reports whether a suite is one of TLS 1.3, or one of TLS 1.2 with AEAD: a client that offers such a
// suite is merely old; one that offers none is weak. The numbers are those of RFC 5288, 5289, 6655, 7251, 7905.
func authenticated(id uint16) bool {
	return id>>8 == 0x13 || id >= 0x009c && id <= 0x00a7 || id >= 0xc02b && id <= 0xc032 ||
		id >= 0xc09c && id <= 0xc0af || id >= 0xcca8 && id <= 0xccae
}

// tapConn remembers the first bytes that arrive, for checkServerHello.
type tapConn struct {
	net.Conn
	head bytes.Buffer
	off  bool // the handshake is done

	answered bool // something arrived
}

// stop forgets the bytes, and remembers no more.
func (t *tapConn) stop() {
	if t != nil {
		t.off, t.head = true, bytes.Buffer{}
	}
}

// tapBytes is enough for a ServerHello with a post-quantum key share.
const tapBytes = 4096

// Read reads from the connection beneath.
func (t *tapConn) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	t.answered = t.answered || n > 0
	if room := tapBytes - t.head.Len(); !t.off && room > 0 && n > 0 {
		t.head.Write(p[:min(n, room)])
	}
	return n, err
}

// checkServerHello returns a refusal if the version or suite that a server chose is wrong; nil if it is not, or is not
// known.
func (t *tapConn) checkServerHello(h *handshake) *pki.Refusal {
	if t == nil {
		return nil
	}
	version, suite, ok := parseServerHello(t.head.Bytes())
	switch {
	case !ok:
		return nil
	case version != pki.AllowedVersion():
		return h.refuse(pki.TLSVersion, "the server chose %s, want %s", tls.VersionName(version),
			tls.VersionName(pki.AllowedVersion()))
	case !h.takesSuite(suite):
		return h.unfit(suite, 0, "the server chose %s", tls.CipherSuiteName(suite))
	}
	return nil
}

// parseServerHello reads version and suite of a ServerHello that begins a stream of records (RFC 8446 section 4.1.3).
func parseServerHello(stream []byte) (version, suite uint16, ok bool) {
	in := cryptobyte.String(stream)
	var kind, message uint8
	var length, legacy uint16
	var hello, session, exts cryptobyte.String
	if !in.ReadUint8(&kind) || kind != 22 || !in.Skip(2) || !in.ReadUint16(&length) ||
		!in.ReadUint8(&message) || message != 2 || !in.ReadUint24LengthPrefixed(&hello) ||
		!hello.ReadUint16(&legacy) || !hello.Skip(32) || !hello.ReadUint8LengthPrefixed(&session) ||
		!hello.ReadUint16(&suite) || !hello.Skip(1) {
		return 0, 0, false
	}
	version = legacy
	if hello.Empty() {
		return version, suite, true
	}
	if !hello.ReadUint16LengthPrefixed(&exts) {
		return 0, 0, false
	}
	for !exts.Empty() {
		var id uint16
		var value cryptobyte.String
		if !exts.ReadUint16(&id) || !exts.ReadUint16LengthPrefixed(&value) {
			return 0, 0, false
		}
		if id == extSupportedVersions && !value.ReadUint16(&version) {
			return 0, 0, false
		}
	}
	return version, suite, true
}

const extSupportedVersions = 43
