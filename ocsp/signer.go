package ocsp

import (
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"tlagate/internal/der"
	"tlagate/internal/stamp"
	"tlagate/pki"
)

// signer signs answers with a delegated certificate.
type signer struct {
	cert      *x509.Certificate
	key       crypto.Signer
	keyHash   []byte // of the certificate's key: our ResponderID
	hash      crypto.Hash
	algorithm []byte // AlgorithmIdentifier, DER
}

// newSigner checks that pair may sign answers in the issuer's name (RFC 6960, 4.2.2.2), its dates apart.
func newSigner(issuer *x509.Certificate, pair *tls.Certificate, now time.Time) (*signer, error) {
	if pair == nil || len(pair.Certificate) == 0 {
		return nil, errors.New("cannot sign answers: there is no certificate")
	}
	cert, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return nil, fmt.Errorf("cannot sign answers: the certificate cannot be read: %w", err)
	}
	if err := mayAnswerFor(issuer, cert, now); err != nil {
		return nil, fmt.Errorf("cannot sign answers with certificate %x: %w", cert.SerialNumber, err)
	}
	s := &signer{cert: cert}
	var ok bool
	if s.key, ok = pair.PrivateKey.(crypto.Signer); !ok {
		return nil, fmt.Errorf("cannot sign answers with a key of kind %T", pair.PrivateKey)
	}
	bits, err := der.PublicKeyBits(cert)
	if err != nil {
		return nil, err
	}
	s.keyHash = sum(crypto.SHA1, bits)
	return s, s.chooseAlgorithm()
}

// mayAnswerFor: a delegated certificate, of this very CA, for nothing but OCSP, that nobody need check in turn.
func mayAnswerFor(issuer, cert *x509.Certificate, now time.Time) error {
	if cert.IsCA || samePublic(cert.PublicKey, issuer.PublicKey) {
		return errors.New("it is a CA's: a CA's key has no place here, issue one with profile ocsp")
	}
	if err := cert.CheckSignatureFrom(issuer); err != nil {
		return fmt.Errorf("%q did not issue it: %w", issuer.Subject.CommonName, err)
	}
	if !slices.Equal(cert.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}) || len(cert.UnknownExtKeyUsage) > 0 {
		return errors.New("its extended key usage is not OCSPSigning alone: issue one with profile ocsp")
	}
	if cert.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		return errors.New("its key usage lacks digitalSignature: issue one with profile ocsp")
	}
	if !hasNoCheck(cert) {
		return errors.New("it lacks id-pkix-ocsp-nocheck, and nobody could tell whether it is revoked: issue one with profile ocsp")
	}
	return pki.CheckKey(cert.PublicKey, now)
}

func samePublic(a, b any) bool {
	key, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && key.Equal(b)
}

func hasNoCheck(cert *x509.Certificate) bool {
	_, has := der.Find(cert, der.OCSPNoCheck)
	return has
}

func (s *signer) chooseAlgorithm() error {
	var ok bool
	if s.algorithm, s.hash, ok = der.SignatureFor(s.key.Public()); !ok {
		return fmt.Errorf("cannot sign answers with a key of kind %T", s.key.Public())
	}
	return nil
}

// checkDates says why it cannot sign now.
func (s *signer) checkDates(now time.Time) error {
	switch {
	case now.Before(s.cert.NotBefore):
		return fmt.Errorf("the delegated certificate %x begins only at %s", s.cert.SerialNumber, stamp.Second(s.cert.NotBefore))
	case !now.Before(s.cert.NotAfter):
		return fmt.Errorf("the delegated certificate %x ended at %s: issue a new one with profile ocsp", s.cert.SerialNumber, stamp.Second(s.cert.NotAfter))
	}
	return nil
}

// sign gives an OCSPResponse.
func (s *signer) sign(at time.Time, answers []single, nonce []byte) ([]byte, error) {
	data, err := responseData(s.keyHash, at, answers, nonce)
	if err != nil {
		return nil, err
	}
	signature, err := s.key.Sign(rand.Reader, sum(s.hash, data), s.hash)
	if err != nil {
		return nil, err
	}
	return basicResponse(data, s.algorithm, signature, s.cert.Raw)
}
