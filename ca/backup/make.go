package backup

import (
	"archive/tar"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"filippo.io/age"

	"tlagate/ca"
	"tlagate/internal/files"
)

// Config says what to back up, and to where.
type Config struct {
	CA         *ca.CA
	Dir        string           // the CA's directory
	Root       string           // directory with the root's key and certificate; "" = they are left out
	To         string           // the file to make; must not exist
	Recipients []age.Recipient  // who can open it; at least one
	Clock      func() time.Time // nil = time.Now
}

// Made is a backup that is on the disk.
type Made struct {
	Manifest
	Size   int64  // octets
	SHA256 string // of the file: to be written down
}

// Make makes a backup, all of it or nothing, mode 0600. The CA may be in use meanwhile: programs that write to the
// books wait while they are copied, readers do not. It needs the issuing CA's key, which signs the manifest.
func Make(cfg Config) (made Made, err error) {
	if _, err := os.Lstat(cfg.To); !errors.Is(err, fs.ErrNotExist) {
		return made, fmt.Errorf("cannot write the backup %s: %w", cfg.To, errors.Join(err, fs.ErrExist))
	}
	m := &maker{cfg: cfg}
	var failed error
	s, err := files.Stage(cfg.To, 0o600, func(out io.Writer) error {
		made, failed = m.write(out)
		return failed
	})
	if failed != nil {
		return made, fmt.Errorf("cannot make the backup: %w", failed)
	}
	if err == nil {
		defer s.Discard()
		err = s.Replace()
	}
	if err != nil {
		return made, fmt.Errorf("cannot write the backup %s: %w", cfg.To, err)
	}
	return made, nil
}

type maker struct {
	cfg     Config
	archive *archive
}

func (m *maker) write(out io.Writer) (made Made, err error) {
	hash, count := sha256.New(), &counter{}
	sealed, err := age.Encrypt(io.MultiWriter(out, hash, count), m.cfg.Recipients...)
	if err != nil {
		return made, err
	}
	m.archive = &archive{out: tar.NewWriter(sealed), manifest: m.manifest()}
	for _, step := range []func() error{m.books, m.files, m.root, m.seal, sealed.Close} {
		if err := step(); err != nil {
			return made, err
		}
	}
	return Made{*m.archive.manifest, count.n, hexOf(hash.Sum(nil))}, nil
}

func (m *maker) manifest() *Manifest {
	now := time.Now
	if m.cfg.Clock != nil {
		now = m.cfg.Clock
	}
	root := sha256.Sum256(m.cfg.CA.Root.Raw)
	return &Manifest{
		Format: format, Made: now().UTC().Truncate(time.Second), Name: m.cfg.CA.Settings.Name, Root: hexOf(root[:]),
		Key: KeyElsewhere, WithRoot: m.cfg.Root != "",
	}
}

// books copies the books, before the lists: a list that is signed in between says more than the books, and restoring
// makes up for that. The other way round something would be lost.
func (m *maker) books() error {
	dir, err := os.MkdirTemp(m.cfg.Dir, ".backup-*")
	if err != nil {
		return fmt.Errorf("cannot copy the books: %w", err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "ca.db")
	if m.archive.manifest.Standing, err = m.cfg.CA.CopyBooks(file); err != nil {
		return err
	}
	return m.archive.file("ca.db", file)
}

// files copies what else is in the directory.
func (m *maker) files() error {
	return filepath.WalkDir(m.cfg.Dir, func(from string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("cannot read what to back up: %w", err)
		}
		path, err := filepath.Rel(m.cfg.Dir, from)
		if err != nil {
			return err
		}
		switch path = filepath.ToSlash(path); {
		case path == ".":
			return nil
		case stays(path) && d.IsDir():
			return fs.SkipDir
		case stays(path) || d.IsDir():
			return nil
		case !d.Type().IsRegular():
			return fmt.Errorf("cannot back up %s: it is no plain file", from)
		}
		return m.file(path, from)
	})
}

// stays reports whether a file is not copied: the root, temporary files, locks, and the books, which were copied
// before.
func stays(path string) bool {
	name := path[strings.LastIndex(path, "/")+1:]
	return path == "root" || strings.HasPrefix(name, ".") || path == "lock" || strings.HasPrefix(path, "lock-") ||
		path == "ca.db" || strings.HasPrefix(path, "ca.db-")
}

func (m *maker) file(path, from string) error {
	if path == issuingKey {
		text, err := os.ReadFile(from)
		if err != nil {
			return fmt.Errorf("cannot read what to back up: %w", err)
		}
		if ca.IsKey(text) {
			m.archive.manifest.Key = KeyInside
		}
	}
	return m.archive.file(path, from)
}

const (
	issuingKey  = "issuing/issuing.key"
	issuingCert = "issuing/issuing.crt"
	rootCert    = "public/root.crt"
	rootKey     = "root/root.key"
)

func (m *maker) root() error {
	if m.cfg.Root == "" {
		return nil
	}
	return errors.Join(
		m.archive.file(rootKey, filepath.Join(m.cfg.Root, "root.key")),
		m.archive.file("root/root.crt", filepath.Join(m.cfg.Root, "root.crt")),
	)
}

func (m *maker) seal() error { return m.archive.seal(m.cfg.CA.Vouch) }

type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}
