package backup

import (
	"bufio"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"filippo.io/age"

	"tlagate/ca"
)

// Verify opens a backup and checks that nothing is missing or altered, that the CA signed it, and that its keys fit its
// certificates. It writes nothing. The books were checked when they were copied, and the signed hash shows that they
// are the same.
func Verify(file string, identities []age.Identity) (Manifest, error) {
	kept := memory{}
	c, err := open(file, identities, kept.keep)
	if err == nil {
		err = c.check(kept.bytes)
	}
	if err != nil {
		return Manifest{}, fmt.Errorf("cannot use the backup %s: %w", file, err)
	}
	return c.Manifest, nil
}

func open(file string, identities []age.Identity, keep keeper) (*content, error) {
	in, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	plain, err := age.Decrypt(bufio.NewReaderSize(in, 64<<10), identities...)
	if wrong, ok := errors.AsType[*age.NoIdentityMatchError](err); ok {
		return nil, fmt.Errorf("the passphrase is wrong, or it is for another key (%d tried)", len(wrong.Errors))
	}
	if err != nil {
		return nil, fmt.Errorf("it cannot be decrypted: %w", err)
	}
	return readArchive(plain, keep)
}

// check checks that the issuing CA in the backup signed it, and that the keys in it are the right ones. read returns
// the content of a small file, nil when there is none.
func (c *content) check(read func(path string) []byte) error {
	root, issuing, err := authorities(read)
	if err != nil {
		return err
	}
	if err := ca.CheckVouched(issuing, c.text, c.signature); err != nil {
		return fmt.Errorf("its manifest is not to be believed: %w", err)
	}
	if sum := sha256.Sum256(root.Raw); hexOf(sum[:]) != c.Root {
		return errors.New("its root certificate is not the one that its manifest names")
	}
	if err := checkKey(c.Key == KeyInside, read(issuingKey), issuing); err != nil {
		return err
	}
	return checkKey(c.WithRoot, read(rootKey), root)
}

func authorities(read func(string) []byte) (root, issuing *x509.Certificate, err error) {
	if root, err = ca.ParseCertificate(read(rootCert)); err != nil {
		return nil, nil, fmt.Errorf("its root certificate cannot be read: %w", err)
	}
	if issuing, err = ca.ParseCertificate(read(issuingCert)); err != nil {
		return nil, nil, fmt.Errorf("its issuing CA's certificate cannot be read: %w", err)
	}
	return root, issuing, ca.CheckPair(root, issuing)
}

func checkKey(promised bool, text []byte, cert *x509.Certificate) error {
	if !promised {
		return nil
	}
	if err := ca.CheckKey(text, cert); err != nil {
		return fmt.Errorf("the key in it is of no use: %w", err)
	}
	return nil
}
