package trust

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"slices"

	"tlagate/pki"
	"tlagate/pki/internal/describe"
)

// This file is for servers that are none of ours, such as a SIEM: their certificates come from another PKI and have
// neither an identity nor a policy of ours. All else is demanded of them as of our own peers.

// foreignChecks are the checks of the profile Foreign: those of RGS without the ones that only our own certificates
// can pass. A server's certificate may be for clients, too, as many a CA's are.
var foreignChecks = []check{
	{"path", (*verification).describePath},
	{"format", (*verification).checkFormat},
	{"algorithms", (*verification).checkAlgorithms},
	{"signatures", (*verification).checkSignatures},
	{"dates", (*verification).checkDates},
	{"basic constraints", (*verification).checkBasicConstraints},
	{"key usage", (*verification).checkKeyUsage},
	{"extended key usage", (*verification).checkAmongUsages},
	{"extensions", (*verification).checkExtensions},
	{"DNS name", (*verification).checkDNSName},
	{"X.509", (*verification).checkX509},
	{"revocation", (*verification).checkRevocation},
}

// checkAmongUsages wants the usage among those of the leaf, and of each CA that names any.
func (v *verification) checkAmongUsages() (string, *pki.Refusal) {
	for i, c := range v.below() {
		if slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny) {
			return "", v.refuse(i, pki.AnyExtKeyUsage, "it allows any extended key usage, which is never accepted")
		}
		named := i == 0 || len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) > 0
		if named && !slices.Contains(c.ExtKeyUsage, v.want.Usage) {
			return "", v.refuse(i, pki.ExtKeyUsage, "it is not for %s", describe.Usage(v.want.Usage))
		}
	}
	return describe.Usage(v.want.Usage), nil
}

// Foreign performs the client side of a handshake with a server of the profile Foreign, as Client does with ours: by
// the same versions, suites and groups. It speaks no application protocol (ALPN), and shows a certificate of ours only
// if the party has one and the server asks for it. want must have the DNS name.
func (p *Party) Foreign(ctx context.Context, c net.Conn, want Want) (*tls.Conn, *Peer, error) {
	want.Usage = x509.ExtKeyUsageServerAuth
	h := &handshake{party: p, want: want, conn: c, side: x509.ExtKeyUsageClientAuth, tap: &tapConn{Conn: c}}
	return h.runClient(ctx, func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		if p.Certificate == nil {
			return new(tls.Certificate), nil
		}
		return p.Certificate(), nil
	})
}
