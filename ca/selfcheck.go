package ca

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"tlagate/keys"
	"tlagate/pemfile"
)

// ParseCertificate reads one certificate from PEM.
func ParseCertificate(text []byte) (*x509.Certificate, error) {
	der, err := pemfile.One(text, pemfile.Certificate)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// CheckPair wants the root to have signed the issuing CA, and both to be CAs that sign certificates and lists.
func CheckPair(root, issuing *x509.Certificate) error {
	const both = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	for _, cert := range []*x509.Certificate{root, issuing} {
		if !cert.BasicConstraintsValid || !cert.IsCA || cert.KeyUsage&both != both {
			return fmt.Errorf("%q is no CA", cert.Subject.CommonName)
		}
		if err := cert.CheckSignatureFrom(root); err != nil {
			return fmt.Errorf("%q is not signed by %q: %w", cert.Subject.CommonName, root.Subject.CommonName, err)
		}
	}
	return nil
}

// CheckKey wants text to be the private key of cert, PEM, PKCS#8.
func CheckKey(text []byte, cert *x509.Certificate) error {
	key, err := keys.ParsePlain(text)
	if err != nil {
		return err
	}
	if !samePublic(key.Public(), cert.PublicKey) {
		return fmt.Errorf("it is not the key of %q", cert.Subject.CommonName)
	}
	return nil
}

// IsKey says whether a file holds a private key itself, and not just where one is.
func IsKey(text []byte) bool {
	blocks, err := pemfile.Blocks(text)
	return err == nil && len(blocks) == 1 && blocks[0].Type == "PRIVATE KEY"
}

// SelfCheck says whether the directory fits together: certificates, the keys that are in it, the whole database, the
// lists. It signs nothing, and leaves a key in hardware alone.
func (c *CA) SelfCheck() error {
	if err := CheckPair(c.Root, c.Issuing); err != nil {
		return fmt.Errorf("cannot trust the CA's certificates: %w", err)
	}
	for where, cert := range map[keys.Spec]*x509.Certificate{c.keys.issuing: c.Issuing, c.keys.root: c.Root} {
		if err := c.checkKeyFile(where, cert); err != nil {
			return err
		}
	}
	if err := c.checkPublic(); err != nil {
		return err
	}
	return c.store.sound()
}

func (c *CA) checkKeyFile(where keys.Spec, cert *x509.Certificate) error {
	if where.Hardware() {
		return nil
	}
	text, err := os.ReadFile(where.File())
	if errors.Is(err, os.ErrNotExist) || err == nil && !IsKey(text) {
		return nil
	}
	_, err = c.keys.open(where, cert)
	return err
}

// checkPublic wants what is shown to the world to be of these very CAs.
func (c *CA) checkPublic() error {
	for name, cert := range map[string]*x509.Certificate{"root": c.Root, "issuing": c.Issuing} {
		der, err := os.ReadFile(c.Public(name + ".cer"))
		if err != nil || !bytes.Equal(der, cert.Raw) {
			return fmt.Errorf("cannot use %s: it is not the certificate of %q (%w)", c.Public(name+".cer"), cert.Subject.CommonName, err)
		}
	}
	for name, cert := range map[string]*x509.Certificate{"arl": c.Root, "crl": c.Issuing} {
		if _, err := c.published(name+".der", cert); err != nil {
			return err
		}
	}
	return nil
}
