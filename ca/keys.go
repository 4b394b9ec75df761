package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"

	"tlagate/keys"
	"tlagate/pemfile"
)

// KeyKind is a kind and size of key this CA makes and certifies (annex code G5).
type KeyKind string

// The kinds of key.
const (
	P256    KeyKind = "p256"
	P384    KeyKind = "p384"
	RSA3072 KeyKind = "rsa3072"
	RSA4096 KeyKind = "rsa4096"
)

// GenerateKey makes a key of that kind, in memory.
func GenerateKey(kind KeyKind) (crypto.Signer, error) { return keys.New(string(kind)) }

// MarshalKey returns a key as PEM, PKCS#8.
func MarshalKey(key crypto.Signer) ([]byte, error) { return keys.MarshalPlain(key) }

// RSA limits, in bits.
const (
	minRSA = 3072
	maxRSA = 8192
)

// checkKey refuses what is outside the allowlist for certificates of our own.
func checkKey(pub crypto.PublicKey) error {
	switch key := pub.(type) {
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() && key.Curve != elliptic.P384() {
			return fmt.Errorf("an ECDSA key on %s is not allowed: want P-256 or P-384", key.Curve.Params().Name)
		}
	case *rsa.PublicKey:
		return checkRSA(key)
	default:
		return fmt.Errorf("a key of type %T is not allowed: want ECDSA P-256 or P-384, or RSA of 3072 bits or more",
			pub)
	}
	return nil
}

func checkRSA(key *rsa.PublicKey) error {
	if bits := key.N.BitLen(); bits < minRSA || bits > maxRSA {
		return fmt.Errorf("an RSA key of %d bits is not allowed: want %d to %d", bits, minRSA, maxRSA)
	}
	if key.E < 65537 {
		return fmt.Errorf("an RSA key with exponent %d is not allowed: want 65537 or more", key.E)
	}
	return nil
}

// samePublic reports whether both are the same key.
func samePublic(a, b crypto.PublicKey) bool { return keys.SamePublic(a, b) }

// NewCSR makes a certificate request for a key, PEM. It asks for nothing but that key be certified.
func NewCSR(key crypto.Signer) ([]byte, error) {
	wish := &x509.CertificateRequest{Subject: pkix.Name{CommonName: "key"}}
	der, err := x509.CreateCertificateRequest(rand.Reader, wish, key)
	if err != nil {
		return nil, fmt.Errorf("cannot make a certificate request: %w", err)
	}
	return pemOf(pemfile.Request, der), nil
}

// PEM returns a certificate as PEM.
func PEM(cert *x509.Certificate) []byte { return pemOf(pemfile.Certificate, cert.Raw) }
