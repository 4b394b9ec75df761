package pki

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"runtime"
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

func parseCertificates(data []byte) ([]*x509.Certificate, error) {
	if !bytes.Contains(data, []byte("-----BEGIN")) {
		return x509.ParseCertificates(data)
	}
	var certs []*x509.Certificate
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		certs = append(certs, c)
	}
	if len(certs) == 0 {
		return nil, fmt.Errorf("it holds no PEM block CERTIFICATE")
	}
	return certs, nil
}

// LoadCertificate reads a certificate chain (leaf first) and its key, both PEM. It refuses a key file readable by
// group or world, and a leaf that does not match the key.
func LoadCertificate(certFile, keyFile string) (*tls.Certificate, error) {
	if err := checkPrivate(keyFile); err != nil {
		return nil, err
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("cannot load certificate %s with key %s: %w", certFile, keyFile, err)
	}
	return &pair, nil
}

// checkPrivate wants a key file that only its owner can read. Windows has no such bits: its guide says what to do.
func checkPrivate(file string) error {
	info, err := os.Stat(file)
	if err != nil {
		return fmt.Errorf("cannot read the key: %w", err)
	}
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o077 != 0 {
		return fmt.Errorf("cannot use key %s: its mode %#o lets others at it; run chmod 600 on it", file, mode)
	}
	return nil
}
