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

// CheckPair returns an error unless the root has signed the issuing CA, and both are CAs that sign certificates and
// lists.
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

// CheckKey returns an error unless text is the private key of cert, PEM, PKCS#8.
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

// IsKey reports whether a file has a private key itself, and not just the place of one.
func IsKey(text []byte) bool {
	blocks, err := pemfile.Blocks(text)
	return err == nil && len(blocks) == 1 && blocks[0].Type == "PRIVATE KEY"
}

// SelfCheck returns an error unless everything in the directory fits together: certificates, the keys that are in it,
// the whole database, the lists. It signs nothing, and does not use a key in hardware.
func (c *CA) SelfCheck() error {
	if err := CheckPair(c.Root, c.Issuing); err != nil {
		return fmt.Errorf("cannot trust the CA's certificates: %w", err)
	}
	for _, i := range []*issuer{c.issuing, c.root} {
		if err := i.checkKeyFile(); err != nil {
			return err
		}
	}
	if err := c.checkPublic(); err != nil {
		return err
	}
	return c.store.Check()
}

func (i *issuer) checkKeyFile() error {
	if i.where.Hardware() {
		return nil
	}
	text, err := os.ReadFile(i.where.File())
	if errors.Is(err, os.ErrNotExist) || err == nil && !IsKey(text) {
		return nil
	}
	_, err = i.ring.open(i.where, i.cert)
	return err
}

// checkPublic checks that what is published belongs to these CAs.
func (c *CA) checkPublic() error {
	for name, cert := range map[string]*x509.Certificate{"root": c.Root, "issuing": c.Issuing} {
		der, err := os.ReadFile(c.Public(name + ".cer"))
		if err != nil || !bytes.Equal(der, cert.Raw) {
			return fmt.Errorf("cannot use %s: it is not the certificate of %q (%w)",
				c.Public(name+".cer"), cert.Subject.CommonName, err)
		}
	}
	_, err := c.Lists.ARL()
	if err == nil {
		_, err = c.Lists.CRL()
	}
	return err
}
