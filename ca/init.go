package ca

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"tlagate/ca/certify"
	"tlagate/ca/store"
	"tlagate/internal/files"
	"tlagate/keys"
	"tlagate/pemfile"
)

// InitConfig says what CA to make.
type InitConfig struct {
	Settings   Settings         // the zero value gives a lab CA
	RootKey    KeyKind          // "" = P384
	IssuingKey KeyKind          // "" = P256
	Clock      func() time.Time // nil = time.Now
	Keys       keys.Config      // how keys in tokens are reached
}

// Init makes a CA in dir, which must not exist or be empty: root, issuing CA, first CRL and
// first ARL. It is built beside dir and moved there when complete, so half a CA never looks like one.
func Init(dir string, cfg InitConfig) error {
	cfg.Settings = cfg.Settings.withDefaults()
	err := cfg.Settings.check()
	if err == nil {
		err = cfg.Settings.checkLab()
	}
	if err != nil {
		return fmt.Errorf("cannot make a CA: %w", err)
	}
	made := new([]keys.Spec)
	err = Beside(dir, func(draft string) error { return build(draft, cfg, made) })
	if err != nil {
		return errors.Join(err, undo(*made, cfg.Keys))
	}
	return nil
}

// undo destroys the keys of a CA that could not be made; those in files vanish with the draft.
func undo(made []keys.Spec, c keys.Config) (err error) {
	for _, where := range made {
		if where.Hardware() {
			err = errors.Join(err, keys.Erase(where, c))
		}
	}
	return err
}

// Beside makes a CA's directory, which must not exist or be empty: it is filled beside its place and moved there when
// it is complete, so half a CA never looks like one.
func Beside(dir string, fill func(draft string) error) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("cannot make a CA: %w", err)
	}
	if err := mustBeFree(dir); err != nil {
		return err
	}
	draft, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+".unfinished-*")
	if err != nil {
		return fmt.Errorf("cannot make a CA: %w", err)
	}
	defer os.RemoveAll(draft)
	if err := fill(draft); err != nil {
		return err
	}
	return settle(draft, dir)
}

// settle moves the finished CA to its place. Remove takes away an empty directory only, and
// Rename refuses one that has appeared since: whoever comes second overwrites nothing.
func settle(draft, dir string) error {
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot move the new CA to its place: %w", err)
	}
	if err := os.Rename(draft, dir); err != nil {
		return fmt.Errorf("cannot move the new CA to its place: %w", err)
	}
	return files.SyncDir(filepath.Dir(dir))
}

func mustBeFree(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot make a CA in %s: %w", dir, err)
	}
	if len(entries) > 0 {
		return fmt.Errorf("cannot make a CA in %s: it exists and is not empty; nothing is overwritten", dir)
	}
	return nil
}

// build makes the CA in dir. The keys that it makes are in made, also when it fails.
func build(dir string, cfg InitConfig, made *[]keys.Spec) error {
	for _, sub := range []string{"root", "issuing", "public"} {
		if err := os.Mkdir(filepath.Join(dir, sub), modeDir); err != nil {
			return fmt.Errorf("cannot make a CA: %w", err)
		}
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	ring := newKeyring(cfg.Settings, dir, filepath.Join(dir, "root"), cfg.Keys)
	defer ring.close()
	start := cfg.Clock().UTC().Truncate(time.Second).Add(-backdate)
	rootKey, err := ring.generate(ring.root, or(cfg.RootKey, P384), made)
	if err != nil {
		return fmt.Errorf("cannot make the root: %w", err)
	}
	root, err := makeRoot(cfg, rootKey, start)
	if err != nil {
		return fmt.Errorf("cannot make the root: %w", err)
	}
	issuingKey, err := ring.generate(ring.issuing, or(cfg.IssuingKey, P256), made)
	if err != nil {
		return fmt.Errorf("cannot make the issuing CA: %w", err)
	}
	issuing, err := makeIssuing(cfg, root, issuingKey, start)
	if err != nil {
		return fmt.Errorf("cannot make the issuing CA: %w", err)
	}
	return errors.Join(
		root.write(dir, "root"),
		issuing.write(dir, "issuing"),
		recordIssuing(dir, issuing),
		cfg.Settings.save(dir),
		publishFirst(dir, cfg, ring),
	)
}

// authority is a CA that is being made.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

func makeRoot(cfg InitConfig, key crypto.Signer, start time.Time) (authority, error) {
	return certifyAuthority(certify.New(key, nil), key, certify.Order{
		Profile:   cfg.Settings.rootProfile(),
		Subject:   subject(cfg.Settings.Name+" root CA", cfg.Settings.Name),
		NotBefore: start,
		NotAfter:  start.AddDate(rootYears, 0, 0).Add(-time.Second),
	})
}

func makeIssuing(cfg InitConfig, root authority, key crypto.Signer, start time.Time) (authority, error) {
	return certifyAuthority(certify.New(root.key, root.cert), key, certify.Order{
		Profile:   cfg.Settings.issuingProfile(),
		Subject:   subject(cfg.Settings.Name+" issuing CA", cfg.Settings.Name),
		NotBefore: start,
		NotAfter:  start.AddDate(issuingYears, 0, 0).Add(-time.Second),
	})
}

func certifyAuthority(by certify.Certifier, key crypto.Signer, order certify.Order) (authority, error) {
	csr, err := NewCSR(key)
	if err != nil {
		return authority{}, err
	}
	if order.Request, err = pemfile.One(csr, pemfile.Request); err != nil {
		return authority{}, err
	}
	if order.Serial, err = newSerial(); err != nil {
		return authority{}, err
	}
	cert, err := by.Certify(order)
	return authority{cert: cert, key: key}, err
}

func subject(commonName, organisation string, units ...string) certify.Subject {
	return certify.Subject{CommonName: commonName, Organisation: organisation, Units: units}
}

// write puts the certificate beside its key, and among the published.
func (a authority) write(dir, name string) error {
	text := pemOf(pemfile.Certificate, a.cert.Raw)
	return errors.Join(
		WriteNew(filepath.Join(dir, name, name+".crt"), text, modePublic),
		WriteNew(filepath.Join(dir, "public", name+".crt"), text, modePublic),
		WriteNew(filepath.Join(dir, "public", name+".cer"), a.cert.Raw, modePublic),
	)
}

func recordIssuing(dir string, issuing authority) error {
	if err := WriteNew(databaseIn(dir), nil, modeSecret); err != nil {
		return err
	}
	books, err := store.Create(databaseIn(dir))
	if err != nil {
		return err
	}
	defer books.Close()
	return enterIssuing(books, issuing.cert)
}

func publishFirst(dir string, cfg InitConfig, ring *keyring) error {
	c, err := open(dir, cfg.Settings, Options{Clock: cfg.Clock}, ring) // whose PIN has been asked for
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.trail.created(c.root, c.issuing); err != nil {
		return err
	}
	if _, err := c.Lists.PublishARL(); err != nil {
		return err
	}
	_, err = c.Lists.PublishCRL()
	return err
}
