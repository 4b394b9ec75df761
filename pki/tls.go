package pki

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"time"
)

// The application protocols of the two layers.
const (
	ALPNOuter = "http/1.1"   // outer link
	ALPNCard  = "tla-card/1" // card session
)

// Party is one end of TLS links: who we are and whom we trust.
type Party struct {
	Trust       *Trust
	Certificate func() *tls.Certificate // our certificate chain and key, asked at each handshake (reload)
	Timeout     time.Duration           // of a handshake; 0 = 10 s
}

// Peer is a proven peer.
type Peer struct {
	Identity Identity
	Chain    []*x509.Certificate // as presented
	NotAfter time.Time           // earliest end in the path
	Verdict  *Verdict            // of the handshake
	want     Want
}

// Rejected is the error when the peer refused us with a TLS alert.
type Rejected struct {
	Alert tls.AlertError // the peer's alert
	Hint  string         // what our own certificate lets us know, and what to do
}

// Error names the alert and gives the hint.
func (r *Rejected) Error() string {
	return fmt.Sprintf("the peer refused us (%v): %s", r.Alert, r.Hint)
}

// Server performs the server side of a handshake on an accepted connection. It returns only when the peer has
// proved its key. On error the connection is closed and the error is a *Refusal (we refused the peer) or a
// *Rejected (the peer refused us).
func (p *Party) Server(ctx context.Context, c net.Conn, alpn string, want Want) (*tls.Conn, *Peer, error) {
	return nil, nil, notYet()
}

// Client performs the client side on a dialled connection, as Server does; want.DNSName is also the SNI.
// In TLS 1.3 a client's handshake ends before the server has judged it: pass the first read error through Explain.
func (p *Party) Client(ctx context.Context, c net.Conn, alpn string, want Want) (*tls.Conn, *Peer, error) {
	return nil, nil, notYet()
}

// Explain turns a TLS alert of the peer into *Rejected; other errors unchanged; nil gives nil.
func (p *Party) Explain(err error) error { return err }

// Recheck verifies a proven peer again with the present data and time. The error is a *Refusal when it would no
// longer be accepted: revoked, expired, CRL stale …
func (t *Trust) Recheck(p *Peer) error { return notYet() }

// LoadCertificate reads a certificate chain (leaf first) and its key, both PEM. It refuses a key file readable by
// group or world, and a leaf that does not match the key.
func LoadCertificate(certFile, keyFile string) (*tls.Certificate, error) { return nil, notYet() }

// ReadCertificates reads every certificate of a PEM file (or one DER).
func ReadCertificates(file string) ([]*x509.Certificate, error) { return nil, notYet() }
