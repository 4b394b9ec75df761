package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/cloudflare/cfssl/csr"
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

var keyRequests = map[KeyKind]csr.KeyRequest{
	P256:    {A: "ecdsa", S: 256},
	P384:    {A: "ecdsa", S: 384},
	RSA3072: {A: "rsa", S: 3072},
	RSA4096: {A: "rsa", S: 4096},
}

// GenerateKey makes a key of that kind.
func GenerateKey(kind KeyKind) (crypto.Signer, error) {
	request, ok := keyRequests[kind]
	if !ok {
		return nil, fmt.Errorf("cannot make a key of kind %q: want p256, p384, rsa3072 or rsa4096", kind)
	}
	key, err := request.Generate()
	if err != nil {
		return nil, fmt.Errorf("cannot make a key: %w", err)
	}
	return key.(crypto.Signer), nil
}

// MarshalKey gives a key as PEM, PKCS#8.
func MarshalKey(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("cannot write the key: %w", err)
	}
	return pemOf("PRIVATE KEY", der), nil
}

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
		return fmt.Errorf("a key of type %T is not allowed: want ECDSA P-256 or P-384, or RSA of 3072 bits or more", pub)
	}
	return nil
}

func checkRSA(key *rsa.PublicKey) error {
	if bits := key.N.BitLen(); bits < 3072 || bits > 8192 {
		return fmt.Errorf("an RSA key of %d bits is not allowed: want 3072 to 8192", bits)
	}
	if key.E < 65537 {
		return fmt.Errorf("an RSA key with exponent %d is not allowed: want 65537 or more", key.E)
	}
	return nil
}

// loadKey reads a key of the CA, which only its owner may read.
func loadKey(file string) (crypto.Signer, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s can be read by others (mode %04o): it may be compromised; if not, chmod 600 it", file, info.Mode().Perm())
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return parseKey(raw)
}

func parseKey(raw []byte) (crypto.Signer, error) {
	der, err := onePEM(raw, "PRIVATE KEY")
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, errors.New("it is not a PKCS#8 key") // the parser's words could quote the key
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a key of type %T cannot sign", key)
	}
	return signer, nil
}

// samePublic says whether both are the same key.
func samePublic(a, b crypto.PublicKey) bool {
	key, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && key.Equal(b)
}
