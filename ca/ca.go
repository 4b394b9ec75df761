package ca

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"tlagate/keys"
	"tlagate/pemfile"
	"tlagate/pki"
)

// Options of an opened CA; the zero value is fine.
type Options struct {
	Root  string           // directory with the root's key; "" = DIR/root
	Clock func() time.Time // nil = time.Now
	By    string           // whose acts the trace says they are; "" = tla-pki
	Stop  <-chan struct{}  // closed: give up waiting for another program's lock; nil = wait up to 30 s
	Keys  keys.Config      // how the CA's keys are opened: who asks for a PIN, who is told; the settings name the wrapping key
}

// CA is an opened CA directory. Several programs may have it open at once:
// whoever writes holds a lock meanwhile, one for the books and one for each list.
type CA struct {
	Settings Settings
	Root     *x509.Certificate
	Issuing  *x509.Certificate

	dir     string
	rootDir string
	clock   func() time.Time
	by      string
	stop    <-chan struct{}
	keys    *keyring
	store   *store
	at      func(point string) // tests stop the program here; nil outside tests

	clockTrusted bool // by a person

	due       sync.Mutex     // protects the rest
	dueFile   *pki.FileWatch // of crl.der; nil = not read yet
	dueNumber int64          // what it said
}

// Open opens the CA in dir. No private key is read until one is needed.
func Open(dir string, o Options) (*CA, error) {
	settings, err := loadSettings(dir)
	if err != nil {
		return nil, err
	}
	c := &CA{Settings: settings, dir: dir, rootDir: or(o.Root, filepath.Join(dir, "root")), clock: o.Clock, by: o.By, stop: o.Stop}
	if c.clock == nil {
		c.clock = time.Now
	}
	c.keys = newKeyring(settings, dir, c.rootDir, o.Keys)
	if c.Root, err = loadCertificate(c.Public("root.crt")); err != nil {
		return nil, err
	}
	if c.Issuing, err = loadCertificate(filepath.Join(dir, "issuing", "issuing.crt")); err != nil {
		return nil, err
	}
	c.store, err = openStore(dir)
	return c, err
}

// Close closes the database, and gives keys in hardware back.
func (c *CA) Close() error { return errors.Join(c.store.db.Close(), c.keys.close()) }

// Public gives the place of a published file: root.crt, root.cer, issuing.crt,
// issuing.cer, crl.pem, crl.der, arl.pem or arl.der.
func (c *CA) Public(name string) string { return filepath.Join(c.dir, "public", name) }

// List gives every certificate of the CA, oldest first, its own included.
func (c *CA) List() ([]Record, error) { return c.store.find("1") }

// Find gives the certificates with that serial number (hexadecimal) or identity (URN). None is an error.
func (c *CA) Find(serialOrIdentity string) ([]Record, error) {
	records, err := c.lookup(serialOrIdentity)
	if err == nil && len(records) == 0 {
		err = fmt.Errorf("cannot find %s: no certificate of this CA has that serial number or identity", serialOrIdentity)
	}
	return records, err
}

func (c *CA) lookup(serialOrIdentity string) ([]Record, error) {
	if len(serialOrIdentity) > 4 && serialOrIdentity[:4] == "urn:" {
		return c.store.find(`json_extract(CAST(metadata AS TEXT), '$.identity') = ?`, serialOrIdentity)
	}
	serial, err := parseSerial(serialOrIdentity)
	if err != nil {
		return nil, fmt.Errorf("cannot look for a certificate: %w, nor an identity urn:…", err)
	}
	return c.store.find("serial_number = ?", serial.String())
}

func loadCertificate(file string) (*x509.Certificate, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read a certificate of the CA: %w", err)
	}
	der, err := pemfile.One(raw, pemfile.Certificate)
	if err != nil {
		return nil, fmt.Errorf("cannot read the certificate %s: %w", file, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("cannot read the certificate %s: %w", file, err)
	}
	return cert, nil
}

// Unlock opens the issuing CA's key when it is in hardware, so that its PIN is asked for now and not when it is first needed.
func (c *CA) Unlock() error { return c.keys.warm(c.keys.issuing, c.Issuing) }

// issuingKey opens the issuing CA's key.
func (c *CA) issuingKey() (crypto.Signer, error) {
	key, err := c.keys.open(c.keys.issuing, c.Issuing)
	return key, c.keyFailed("issuing", err)
}

// rootKey is what the offline root is needed for.
func (c *CA) rootKey() (crypto.Signer, error) {
	key, err := c.keys.open(c.keys.root, c.Root)
	err = c.keyFailed("root", err)
	if errors.Is(err, fs.ErrNotExist) && !c.keys.root.Hardware() {
		return nil, fmt.Errorf("the root's key %s is not here: bring the root's directory back for this, or name it with --root", c.keys.root)
	}
	return key, err
}

// keyID is how the database names an issuer: as cfssl does.
func keyID(cert *x509.Certificate) string { return hex.EncodeToString(cert.SubjectKeyId) }

func (c *CA) now() time.Time { return c.clock().UTC().Truncate(time.Second) }

// reach tells a test that the program has come to a point.
func (c *CA) reach(point string) {
	if c.at != nil {
		c.at(point)
	}
}

// lockWait is how long one program waits for another to finish its writing.
const lockWait = 30 * time.Second

// locked runs f while no other program issues, revokes or releases. See publish for the locks of publishers.
func (c *CA) locked(f func() error) error { return c.withLock("lock", f) }

// withLock runs f while nobody else has that lock of the CA.
func (c *CA) withLock(name string, f func() error) error {
	lock, err := os.OpenFile(filepath.Join(c.dir, name), os.O_CREATE|os.O_RDWR, modeSecret)
	if err != nil {
		return fmt.Errorf("cannot lock the CA: %w", err)
	}
	defer lock.Close() // which unlocks
	if err := c.waitForLock(lock); err != nil {
		return fmt.Errorf("cannot lock the CA %s: %w", c.dir, err)
	}
	return f()
}

func (c *CA) waitForLock(lock *os.File) error {
	again, end := time.NewTicker(20*time.Millisecond), time.After(lockWait)
	defer again.Stop()
	for {
		err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil || !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return err
		}
		select {
		case <-again.C:
		case <-c.stop:
			return errors.New("stopped while another program is writing to it")
		case <-end:
			return fmt.Errorf("another program has been writing to it for %s", lockWait)
		}
	}
}

// isKeyOfCA says whether a subject key identifier is that of one of the CAs.
func (c *CA) isKeyOfCA(ski []byte) bool {
	return bytes.Equal(ski, c.Root.SubjectKeyId) || bytes.Equal(ski, c.Issuing.SubjectKeyId)
}
