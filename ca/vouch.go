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
	"time"

	"golang.org/x/crypto/ocsp"

	"tlagate/ca/store"
)

// vouchFor comes before what is signed, so that the signature can be mistaken for none of a certificate or a list:
// those begin with the octet 30.
const vouchFor = "tlagate: statement of an issuing CA about its own books\n"

// Vouch signs a statement of the CA about itself with the issuing CA's key: ECDSA with the curve's SHA-2, or RSA-PSS
// with SHA-256.
func (c *CA) Vouch(statement []byte) ([]byte, error) {
	key, err := c.issuing.key()
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

// CheckVouched returns an error unless the key of the issuing CA made the signature.
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

// Answer signs an OCSP answer about one of our good certificates with the issuing CA's own key, as RFC 6960 section 2.2
// lets a CA do: for the EST server, whose clients know no responder yet. The answer is valid for life. A certificate
// that is not good by the books gets none, and the error is a *Denied.
func (c *CA) Answer(cert *x509.Certificate, life time.Duration) (der []byte, end time.Time, err error) {
	r, err := c.ours(cert)
	if err != nil {
		return nil, end, fmt.Errorf("cannot vouch for a certificate: %w", err)
	}
	now := c.now()
	if r.Status != store.Good || r.Expired(now) {
		return nil, end, denyf(CertificateRefused, "cannot vouch for certificate %s: it is %s, until %s",
			r.Serial, r.Status, r.NotAfter.Format(time.DateOnly))
	}
	key, err := c.issuing.key()
	if err != nil {
		return nil, end, err
	}
	end = now.Add(life)
	der, err = ocsp.CreateResponse(c.Issuing, c.Issuing, ocsp.Response{
		Status: ocsp.Good, SerialNumber: cert.SerialNumber, ThisUpdate: now, NextUpdate: end,
		// It names, and protects nothing: the hash by which every client finds the answer (RFC 5019 section 2.1.1).
		IssuerHash: crypto.SHA1,
	}, key)
	return der, end, err
}
