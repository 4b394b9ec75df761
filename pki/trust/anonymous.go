package trust

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
)

// This file is for enrolment alone (docs/enrolment.md, section 2): a device that has no certificate yet.

// Anonymous is Client without a certificate of ours: the server must pass every check that it has to pass for Client,
// but is shown no certificate. The party must not have one, so that a device that has one does not omit it by mistake.
func (p *Party) Anonymous(ctx context.Context, c net.Conn, alpn string, want Want) (*tls.Conn, *Peer, error) {
	if p.Certificate != nil {
		c.Close()
		return nil, nil, errors.New("cannot connect anonymously: this side has a certificate to show")
	}
	h := &handshake{party: p, want: want, alpn: alpn, conn: c, side: x509.ExtKeyUsageClientAuth, tap: &tapConn{Conn: c}}
	return h.runClient(ctx, func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		return new(tls.Certificate), nil
	})
}

// Unproven performs the client side of a handshake that proves nothing about the server and shows no certificate of
// ours: for what is public, and is proven by other means once it is here. Nothing secret may be sent. The error is a
// *Refusal or a *Rejected, and the connection is then closed. Only the party's Hybrids and Crypto, and want's SNI
// and Dialled, are used.
func (p *Party) Unproven(ctx context.Context, c net.Conn, alpn string, want Want) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	h := &handshake{party: &Party{Hybrids: p.Hybrids, Crypto: p.Crypto},
		want: Want{SNI: want.SNI, Dialled: want.Dialled}, alpn: alpn,
		conn: c, side: x509.ExtKeyUsageClientAuth, tap: &tapConn{Conn: c}}
	conf := h.config()
	conf.Time, conf.ServerName, conf.InsecureSkipVerify = nil, want.SNI, true
	groups, note := h.offer()
	conf.CurvePreferences = groups
	conf.VerifyConnection = func(cs tls.ConnectionState) error {
		if h.refusal = h.checkSession(cs); h.refusal != nil {
			return h.refusal
		}
		return nil
	}
	over := tls.Client(h.tap, conf)
	err := over.HandshakeContext(ctx)
	note(err)
	if err != nil {
		err = h.explain(err)
		h.close(err)
		return nil, err
	}
	h.tap.stop()
	return over, nil
}
