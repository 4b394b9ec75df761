package trail

import (
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"tlagate/audit"
	"tlagate/internal/files"
	"tlagate/pemfile"
	"tlagate/pki"
)

// maxAnchors bounds a file of certificates, in octets.
const maxAnchors = 1 << 20

// signers returns checks that demand of whoever signed a purge that it was a gateway by then, certified below the CAs
// in these files; without a file, anybody may.
func signers(names []string) (audit.Checks, error) {
	if len(names) == 0 {
		return audit.Checks{}, nil
	}
	roots, below := x509.NewCertPool(), x509.NewCertPool()
	for _, name := range names {
		if err := addCAs(name, roots, below); err != nil {
			return audit.Checks{}, fmt.Errorf("cannot use the anchor %s: %w", name, err)
		}
	}
	return audit.Checks{Purge: func(cert *x509.Certificate, at time.Time) error {
		if id, err := pki.IdentityOf(cert); err != nil || id.Role != pki.RoleGateway {
			return errors.New("its certificate is no gateway's")
		}
		_, err := cert.Verify(x509.VerifyOptions{Roots: roots, Intermediates: below, CurrentTime: at,
			KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
		if err != nil {
			return fmt.Errorf("its certificate was not valid then below the anchors: %w", err)
		}
		return nil
	}}, nil
}

// addCAs adds the certificates of a file to those that sign themselves, and the rest to those below them.
func addCAs(name string, roots, below *x509.CertPool) error {
	data, err := files.Read(name, maxAnchors)
	if err != nil {
		return err
	}
	blocks, err := pemfile.Read(data, "CERTIFICATE")
	if err != nil {
		return err
	}
	for _, b := range blocks {
		cert, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return b.At(err)
		}
		if cert.CheckSignatureFrom(cert) == nil {
			roots.AddCert(cert)
		} else {
			below.AddCert(cert)
		}
	}
	return nil
}

// nameOf returns whom a certificate names.
func nameOf(cert *x509.Certificate) string {
	if id, err := pki.IdentityOf(cert); err == nil {
		return id.String()
	}
	return cert.Subject.CommonName
}
