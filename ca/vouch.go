package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
)

// vouchFor comes before what is signed, so that the signature can be mistaken for none of a certificate or a list:
// those begin with the octet 30.
const vouchFor = "tlagate: statement of an issuing CA about its own books\n"

// Vouch signs a statement of the CA about itself with the issuing CA's key: ECDSA with the curve's SHA-2, or RSA-PSS with SHA-256.
func (c *CA) Vouch(statement []byte) ([]byte, error) {
	key, err := c.issuingKey()
	if err != nil {
		return nil, err
	}
	_, options := vouching(c.Issuing)
	hash := options.HashFunc().New()
	hash.Write(append([]byte(vouchFor), statement...))
	signature, err := key.Sign(rand.Reader, hash.Sum(nil), options)
	if err != nil {
		return nil, fmt.Errorf("cannot sign with the issuing CA's key: %w", err)
	}
	return signature, CheckVouched(c.Issuing, statement, signature)
}

// CheckVouched wants the key of the issuing CA to have made the signature.
func CheckVouched(issuing *x509.Certificate, statement, signature []byte) error {
	algorithm, _ := vouching(issuing)
	if err := checkKey(issuing.PublicKey); err != nil {
		return err
	}
	if issuing.CheckSignature(algorithm, append([]byte(vouchFor), statement...), signature) != nil {
		return errors.New("it is not signed by the issuing CA")
	}
	return nil
}

func vouching(cert *x509.Certificate) (x509.SignatureAlgorithm, crypto.SignerOpts) {
	key, isECDSA := cert.PublicKey.(*ecdsa.PublicKey)
	switch {
	case isECDSA && key.Curve == elliptic.P384():
		return x509.ECDSAWithSHA384, crypto.SHA384
	case isECDSA:
		return x509.ECDSAWithSHA256, crypto.SHA256
	}
	return x509.SHA256WithRSAPSS, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}
}
