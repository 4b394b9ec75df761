package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// Curves and sizes that a key may have (G5), by kind.
var (
	Curves   = map[string]elliptic.Curve{"p256": elliptic.P256(), "p384": elliptic.P384()}
	RSASizes = map[string]int{"rsa3072": 3072, "rsa4096": 4096}
)

// New makes a key of that kind in memory. [Generate] makes a device's key.
func New(kind string) (crypto.Signer, error) {
	if curve, ok := Curves[kind]; ok {
		return ecdsa.GenerateKey(curve, rand.Reader)
	}
	if bits, ok := RSASizes[kind]; ok {
		return rsa.GenerateKey(rand.Reader, bits)
	}
	return nil, fmt.Errorf("cannot make a key of kind %q: want p256, p384, rsa3072 or rsa4096", kind)
}

// ParsePlain reads what MarshalPlain writes. The error never quotes the key.
func ParsePlain(text []byte) (crypto.Signer, error) {
	block, err := onlyBlock(text)
	if err != nil {
		return nil, err
	}
	defer wipe(block.Bytes)
	if block.Type != plainBlock {
		return nil, errors.New("it is not a PEM " + plainBlock)
	}
	return parse(block.Bytes)
}

// MarshalPlain returns a key as PEM, PKCS#8, not encrypted: for labs.
func MarshalPlain(key crypto.Signer) ([]byte, error) { return marshal(key, nil) }

// marshal returns a key as PEM: encrypted under wrapping, unless that is nil.
func marshal(key crypto.Signer, wrapping []byte) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("cannot write the key: %w", err)
	}
	defer wipe(der)
	block := &pem.Block{Type: plainBlock, Bytes: der}
	if wrapping != nil {
		if block.Bytes, err = encrypt(der, wrapping); err != nil {
			return nil, err
		}
		block.Type = encryptedBlock
	}
	return pem.EncodeToMemory(block), nil
}

// parse reads PKCS#8. It does not pass on the parser's own words, which could quote the key.
func parse(der []byte) (crypto.Signer, error) {
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, errors.New("it is not a PKCS#8 key")
	}
	switch key := key.(type) {
	case *ecdsa.PrivateKey:
		return key, nil
	case *rsa.PrivateKey:
		return key, nil
	}
	return nil, fmt.Errorf("a key of type %T is not for signing here: want ECDSA or RSA", key)
}
