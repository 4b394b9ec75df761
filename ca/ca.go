package ca

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"tlagate/audit"
	"tlagate/ca/store"
	"tlagate/keys"
	"tlagate/pemfile"
)

// Options of an opened CA; the zero value is fine.
type Options struct {
	Root  string           // directory with the root's key; "" = DIR/root
	Clock func() time.Time // nil = time.Now
	By    string           // the name of the program in the trace; "" = tla-pki
	Stop  <-chan struct{}  // closed: give up waiting for another program's lock; nil = wait up to 30 s
	// how the CA's keys are opened and a PIN is asked for; the wrapping key is that of the settings
	Keys keys.Config
}

// CA is an opened CA directory: its certificates, and a part for each subject. Several programs may have it open at
// once. A program that writes has a lock meanwhile; there is one for the books and one for each list.
type CA struct {
	Settings Settings
	Root     *x509.Certificate
	Issuing  *x509.Certificate

	Certificates *Certificates // issue
	Own          *Own          // the PKI's own certificates, and their renewal
	Invitations  *Invitations  // one-time codes
	Enrolment    *Enrolment    // what devices ask for over EST
	Revocations  *Revocations  // revoke and release
	Lists        *Lists        // CRL and ARL
	Clock        *Clock        // whether the time is plausible
	Recovery     *Recovery     // books that come from an older copy
	Heads        *Heads        // what is known of the audit traces of gateways

	*core
}

// Open opens the CA in dir. No private key is read until one is needed.
func Open(dir string, o Options) (*CA, error) {
	settings, err := loadSettings(dir)
	if err != nil {
		return nil, err
	}
	ring := newKeyring(settings, dir, or(o.Root, filepath.Join(dir, "root")), o.Keys)
	return open(dir, settings, o, ring)
}

func open(dir string, settings Settings, o Options, ring *keyring) (*CA, error) {
	k, err := openCore(dir, settings, o, ring)
	if err != nil {
		return nil, err
	}
	return assemble(settings, k), nil
}

func assemble(settings Settings, k *core) *CA {
	c := &CA{Settings: settings, Root: k.root.cert, Issuing: k.issuing.cert, core: k}
	c.Clock = newClock(k)
	c.Lists = newLists(k, c.Clock)
	c.Certificates = newCertificates(k, c.Clock)
	c.Own = newOwn(k, c.Certificates)
	c.Revocations = newRevocations(k)
	c.Invitations = newInvitations(k, c.Clock, c.Revocations)
	c.Enrolment = newEnrolment(k, c.Certificates)
	c.Recovery = newRecovery(k)
	c.Heads = &Heads{k}
	return c
}

// For returns the same CA for the acts of an officer: its trace says that they are theirs. who is the identity of their
// certificate. It shares keys and books with c, and must not be closed.
func (c *CA) For(who string) *CA {
	k := *c.core
	k.trail = &trail{file: k.trail.file, by: who, officer: true, clock: k.trail.clock}
	root, issuing := *k.root, *k.issuing
	root.trail, issuing.trail = k.trail, k.trail
	k.root, k.issuing = &root, &issuing
	return assemble(c.Settings, &k)
}

// Record appends an event to the CA's trace, and returns once it is on disk. It is this program's, with the account
// that runs it, or with [CA.For] an officer's.
func (c *CA) Record(kind audit.Kind, with ...audit.Attr) error { return c.trail.record(kind, with...) }

// Holds returns nil if the books have that certificate as one of ours that is good now: they know of a revocation
// before any list does.
func (c *CA) Holds(cert *x509.Certificate) error {
	r, err := c.ours(cert)
	switch {
	case err != nil:
		return err
	case r.Status != store.Good:
		return fmt.Errorf("certificate %s is %s %s in the CA's books", r.Serial, r.Status, r.Reason)
	case c.now().Before(r.NotBefore) || r.Expired(c.now()):
		return fmt.Errorf("certificate %s is valid from %s to %s", r.Serial, r.NotBefore, r.NotAfter)
	}
	return nil
}

// Close closes the database, and releases keys in hardware.
func (c *CA) Close() error { return errors.Join(c.store.Close(), c.ring.close()) }

// Public returns the place of a published file: root.crt, root.cer, issuing.crt,
// issuing.cer, crl.pem, crl.der, arl.pem or arl.der.
func (c *CA) Public(name string) string { return c.public(name) }

// List returns every certificate of the CA, oldest first, its own included.
func (c *CA) List() ([]store.Record, error) { return c.store.All() }

// Find returns the certificates with that serial number (hexadecimal) or identity (URN). None is an error.
func (c *CA) Find(serialOrIdentity string) ([]store.Record, error) { return c.find(serialOrIdentity) }

// Events opens the events of the CA, on a connection of their own.
func (c *CA) Events() (*store.Events, error) { return store.OpenEvents(c.database()) }

// Unlock opens the issuing CA's key if it is in hardware, so that its PIN is asked for now and not when the key is
// first needed.
func (c *CA) Unlock() error { return c.issuing.warm() }

// Keys describes where the CA's keys are and how they are protected, without opening them.
func (c *CA) Keys() []KeyInfo {
	return []KeyInfo{c.root.describe("root CA"), c.issuing.describe("issuing CA")}
}

// Standing returns how far the books have come.
func (c *CA) Standing() (store.Standing, error) { return c.standing(c.store) }

func (c *CA) standing(books *store.DB) (store.Standing, error) {
	return books.Standing(c.issuing.id(), c.root.id())
}

// CopyBooks writes a copy of the database, as of one moment, into a file that does not exist yet, and checks it.
// Writers wait meanwhile, on the CA's lock and not on the database's: readers, the OCSP responder among them, notice
// nothing.
func (c *CA) CopyBooks(file string) (store.Standing, error) {
	if err := c.locks.books(func() error { return c.store.CopyTo(file) }); err != nil {
		return store.Standing{}, fmt.Errorf("cannot copy the books: %w", err)
	}
	copied, err := store.OpenCopy(file)
	if err != nil {
		return store.Standing{}, err
	}
	defer copied.Close()
	return c.standing(copied)
}

func loadCertificate(file string) (*x509.Certificate, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read a certificate of the CA: %w", err)
	}
	cert, err := ParseCertificate(raw)
	if err != nil {
		return nil, fmt.Errorf("cannot read the certificate %s: %w", file, err)
	}
	return cert, nil
}

// ParseCertificate reads one certificate from PEM.
func ParseCertificate(text []byte) (*x509.Certificate, error) {
	der, err := pemfile.One(text, pemfile.Certificate)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}
