package pki

import (
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"

	"tlagate/internal/der"
	"tlagate/internal/files"
	"tlagate/pemfile"
)

// ParseError means that crypto/x509 cannot read what has the outer form of a certificate.
type ParseError struct{ Cause error }

// Error returns the cause's text.
func (e *ParseError) Error() string { return e.Cause.Error() }

// Unwrap returns the cause.
func (e *ParseError) Unwrap() error { return e.Cause }

func parseDER(raw []byte) ([]*x509.Certificate, error) {
	certs, err := x509.ParseCertificates(raw)
	if _, whole := der.Sequence(raw); err != nil && whole {
		return nil, &ParseError{err}
	}
	return certs, err
}

// parseCertificates reads PEM or DER. It passes each certificate's error to unreadable: if that returns nil, the
// certificate is left out; an error ends the reading.
func parseCertificates(data []byte, unreadable func(error) error) ([]*x509.Certificate, error) {
	blocks, err := pemfile.Read(data, pemfile.Certificate)
	if err != nil {
		return nil, err
	}
	var certs []*x509.Certificate
	for _, b := range blocks {
		read, err := parseDER(b.Bytes)
		if err != nil {
			if err = unreadable(b.At(err)); err != nil {
				return nil, err
			}
		}
		certs = append(certs, read...)
	}
	return certs, nil
}

// ReadCertificates reads every certificate of a PEM file, or one in DER.
func ReadCertificates(file string) ([]*x509.Certificate, error) {
	return readCertificates(file, func(err error) error { return err })
}

// ReadCAs reads the certificates of a file. One that crypto/x509 cannot read is left out with a warning: no path leads
// through it.
func ReadCAs(file string, log *slog.Logger) ([]*x509.Certificate, error) {
	return readCertificates(file, func(err error) error {
		if _, ok := errors.AsType[*ParseError](err); !ok {
			return err
		}
		log.Warn("a certificate cannot be read and is left out", "file", file, "error", err)
		return nil
	})
}

// maxCertificates is the largest file with certificates, in octets.
const maxCertificates = 64 << 20

func readCertificates(file string, unreadable func(error) error) ([]*x509.Certificate, error) {
	data, err := files.ReadRegular(file, maxCertificates)
	if err != nil {
		return nil, fmt.Errorf("cannot read certificates: %w", err)
	}
	certs, err := parseCertificates(data, unreadable)
	if err != nil {
		return nil, fmt.Errorf("cannot read certificates of %s: %w", file, err)
	}
	return certs, nil
}

// ParseChain reads DER certificates, leaf first, as they are in a tls.Certificate and in a handshake. One that cannot
// be read is an error.
func ParseChain(ders [][]byte) ([]*x509.Certificate, error) {
	var chain []*x509.Certificate
	for _, der := range ders {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		chain = append(chain, cert)
	}
	return chain, nil
}
