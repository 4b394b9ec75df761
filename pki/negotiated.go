package pki

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"strings"
)

// Negotiated is what the handshake of a link agreed upon (annex code C2).
type Negotiated struct {
	Version   string `json:"version"`
	Suite     string `json:"suite"`
	Group     string `json:"group"`
	Signature string `json:"signature"` // by which the peer proved its key
	Resumed   bool   `json:"resumed"`
}

// NegotiatedOf returns what a complete handshake agreed upon.
func NegotiatedOf(cs tls.ConnectionState) Negotiated {
	n := Negotiated{Version: tls.VersionName(cs.Version), Suite: tls.CipherSuiteName(cs.CipherSuite),
		Group: cs.CurveID.String(), Resumed: cs.DidResume}
	if len(cs.PeerCertificates) > 0 {
		n.Signature = signatureOf(cs.PeerCertificates[0])
	}
	return n
}

// signatureOf returns the name of the peer's signature scheme. TLS 1.3 ties it to a curve; for RSA-PSS, crypto/tls does
// not reveal the hash.
func signatureOf(leaf *x509.Certificate) string {
	switch key := leaf.PublicKey.(type) {
	case *ecdsa.PublicKey:
		for _, s := range tlsSignatures {
			if strings.HasPrefix(s.String(), "ECDSAWith"+strings.ReplaceAll(key.Params().Name, "-", "")) {
				return s.String()
			}
		}
	case *rsa.PublicKey:
		return "RSA-PSS"
	}
	return ""
}

// String returns it on one line.
func (n Negotiated) String() string {
	text := n.Version + ", " + n.Group + ", " + n.Suite
	if n.Signature != "" {
		text += ", " + n.Signature
	}
	if n.Resumed {
		text += ", resumed"
	}
	return text
}
