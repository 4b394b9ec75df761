package enrol

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"tlagate/cmd/internal/cli"
	"tlagate/est"
	"tlagate/internal/files"
	"tlagate/pemfile"
	"tlagate/pki"
)

// Pair is where a component keeps one of its certificates, with its key.
//
// A new pair takes the place of an old one in an order that a crash cannot spoil. The new key is written to KEY.next
// before any request uses it, so that a lost answer can be asked for again with the same key; the certificate that came
// is written to CERT.next; then the key is renamed, then the certificate. Finish does the rest after a crash. CERT.next
// without a key that fits is worth nothing.
type Pair struct {
	Name    string       // in the configuration
	Files   cli.Identity // where
	Profile est.Profile
}

func (p Pair) cert() string     { return string(p.Files.Cert) }
func (p Pair) nextCert() string { return p.cert() + ".next" }

// check refuses a configuration that does not name both places.
func (p Pair) check() error {
	if p.cert() == "" || !p.hasKey() {
		return fmt.Errorf("cannot use the configuration: %s must name a certificate and a key, which need not be "+
			"there yet", p.Name)
	}
	return nil
}

// Living returns the present certificate, if it has not ended and its key is there; else nil.
func (p Pair) Living(now time.Time) *x509.Certificate {
	own, err := p.Files.Open()
	if err != nil {
		return nil
	}
	defer own.Close()
	if leaf := own.Certificate().Leaf; !now.After(leaf.NotAfter) {
		return leaf
	}
	return nil
}

// Finish completes a replacement that was interrupted.
func (p Pair) Finish() error {
	chain, err := pki.ReadCertificates(p.nextCert())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = p.promote(chain[0])
	}
	if errors.Is(err, errNoKey) || err != nil && len(chain) == 0 {
		return os.Remove(p.nextCert())
	}
	return err
}

// install puts a new pair in the place of the present one; its key is that of nextKey.
func (p Pair) install(chain []*x509.Certificate) error {
	var out bytes.Buffer
	for _, c := range chain {
		_ = pem.Encode(&out, &pem.Block{Type: pemfile.Certificate, Bytes: c.Raw}) // a Buffer takes everything
	}
	if err := write(p.nextCert(), out.Bytes(), 0o644); err != nil {
		return err
	}
	if p.Files.Key.Hardware() { // the key is open, and a TPM may have no room to open it twice
		return p.promoteCert()
	}
	return p.promote(chain[0])
}

var errNoKey = errors.New("no key fits the new certificate")

// promote renames key, then certificate.
func (p Pair) promote(leaf *x509.Certificate) error {
	if err := p.promoteKey(leaf); err != nil {
		return err
	}
	return p.promoteCert()
}

func (p Pair) promoteCert() error {
	if err := files.Rename(p.nextCert(), p.cert()); err != nil {
		return fmt.Errorf("cannot put the new certificate in its place: %w", err)
	}
	return nil
}
