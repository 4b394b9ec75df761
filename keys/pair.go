package keys

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"fmt"

	"tlagate/internal/files"
	"tlagate/pemfile"
)

// maxChain is the largest file with a certificate chain, in octets.
const maxChain = 1 << 20

// LoadCertificate reads a certificate chain (PEM, leaf first) for an open key. It refuses a leaf of another key.
func LoadCertificate(certFile string, key Key) (*tls.Certificate, error) {
	raw, err := files.ReadRegular(certFile, maxChain)
	if err != nil {
		return nil, fmt.Errorf("cannot read the certificate: %w", err)
	}
	pair, err := parseChain(raw)
	if err != nil {
		return nil, fmt.Errorf("cannot read the certificate %s: %w", certFile, err)
	}
	if !SamePublic(pair.Leaf.PublicKey, key.Public()) {
		return nil, fmt.Errorf("cannot use the certificate %s: it is not of the key %s: the private key does not "+
			"match the public key", certFile, key.Describe().Where)
	}
	pair.PrivateKey = key
	return pair, nil
}

func parseChain(raw []byte) (*tls.Certificate, error) {
	blocks, err := pemfile.Read(raw, pemfile.Certificate)
	if err != nil {
		return nil, err
	}
	pair := new(tls.Certificate)
	for _, b := range blocks {
		cert, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return nil, b.At(err)
		}
		if pair.Leaf == nil {
			pair.Leaf = cert
		}
		pair.Certificate = append(pair.Certificate, b.Bytes)
	}
	return pair, nil
}

// SamePublic reports whether both are the same public key.
func SamePublic(a, b crypto.PublicKey) bool {
	key, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && key.Equal(b)
}
