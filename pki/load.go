package pki

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// ReadCertificates reads every certificate of a PEM file, or one in DER.
func ReadCertificates(file string) ([]*x509.Certificate, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read certificates: %w", err)
	}
	certs, err := parseCertificates(data)
	if err != nil {
		return nil, fmt.Errorf("cannot read certificates of %s: %w", file, err)
	}
	return certs, nil
}

// ParseError says that crypto/x509 cannot read what has the outer form of a certificate.
type ParseError struct{ Cause error }

// Error gives the cause's text.
func (e *ParseError) Error() string { return e.Cause.Error() }

// Unwrap gives the cause.
func (e *ParseError) Unwrap() error { return e.Cause }

func parseDER(der []byte) ([]*x509.Certificate, error) {
	certs, err := x509.ParseCertificates(der)
	in, outer := cryptobyte.String(der), cryptobyte.String{}
	if err != nil && in.ReadASN1(&outer, cbasn1.SEQUENCE) && in.Empty() {
		return nil, &ParseError{err}
	}
	return certs, err
}

func parseCertificates(data []byte) ([]*x509.Certificate, error) {
	if !bytes.Contains(data, []byte("-----BEGIN")) {
		return parseDER(data)
	}
	var certs []*x509.Certificate
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, &ParseError{err}
		}
		certs = append(certs, c)
	}
	if len(certs) == 0 {
		return nil, fmt.Errorf("it holds no PEM block CERTIFICATE")
	}
	return certs, nil
}

// readCAs reads every certificate of a file that crypto/x509 can read: no path leads through the others.
func readCAs(file string, log *slog.Logger) ([]*x509.Certificate, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read certificates: %w", err)
	}
	blocks := [][]byte{data}
	if bytes.Contains(data, []byte("-----BEGIN")) {
		blocks = pemBlocks(data, "CERTIFICATE")
	}
	var certs []*x509.Certificate
	for _, der := range blocks {
		read, err := parseDER(der)
		var unreadable *ParseError
		if errors.As(err, &unreadable) {
			log.Warn("a certificate cannot be read and is left out", "file", file, "err", err)
		} else if err != nil {
			return nil, fmt.Errorf("cannot read certificates of %s: %w", file, err)
		}
		certs = append(certs, read...)
	}
	if len(blocks) == 0 {
		return nil, fmt.Errorf("cannot read certificates of %s: it holds no PEM block CERTIFICATE", file)
	}
	return certs, nil
}

// pemBlocks gives the content of the blocks of one type.
func pemBlocks(data []byte, kind string) [][]byte {
	var list [][]byte
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == kind {
			list = append(list, block.Bytes)
		}
	}
	return list
}

// ParseChain reads certificates (DER), leaf first, as tls.Certificate and a handshake have them. One that cannot be read is an error.
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
