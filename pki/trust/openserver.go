package trust

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
)

// This file is for enrolment alone (docs/enrolment.md, section 3): a server for devices that have no certificate yet.

// OpenServer is Server, except that a client without a certificate passes, as an anonymous peer (Peer.Anonymous). One
// that shows a certificate must pass every check that it has to pass for Server. The caller must call Anonymous before
// it believes anything about the peer.
func (p *Party) OpenServer(ctx context.Context, c net.Conn, alpn string, want Want) (*tls.Conn, *Peer, error) {
	h := &handshake{party: p, want: want, alpn: alpn, conn: c, side: x509.ExtKeyUsageServerAuth, open: true}
	return h.serve(ctx)
}

// Anonymous reports whether the peer showed no certificate: then it has no identity, and nothing about it is proven.
// Only OpenServer returns such a peer; Recheck refuses it.
func (p *Peer) Anonymous() bool { return len(p.Chain) == 0 }
