package trust

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
)

// This file is for enrolment alone (docs/enrolment.md, section 3): a server for devices that have no certificate yet.

// OpenServer is Server, but that a client which shows no certificate passes, as an anonymous peer (Peer.Anonymous). One
// that shows a certificate must pass every check that it has to pass for Server. Whoever calls it must ask Anonymous
// before it believes anything of the peer.
func (p *Party) OpenServer(ctx context.Context, c net.Conn, alpn string, want Want) (*tls.Conn, *Peer, error) {
	h := &handshake{party: p, want: want, alpn: alpn, conn: c, side: x509.ExtKeyUsageServerAuth, open: true}
	return h.serve(ctx)
}

// Anonymous says that the peer showed no certificate: it has no identity, and nothing about it is proven. Only
// OpenServer gives such a peer; Recheck refuses it.
func (p *Peer) Anonymous() bool { return len(p.Chain) == 0 }
