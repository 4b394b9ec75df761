package backup

import (
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
	"tlagate/ca/store"
	"tlagate/internal/files"
)

// RestoreConfig says what CA to make from what backup.
type RestoreConfig struct {
	From       string           // the backup
	Dir        string           // the new CA's directory; must not exist, or be empty
	Identities []age.Identity   // to open it with
	Published  []ca.Published   // the newest CRL and ARL that are published, from as many places as there are
	AcceptLoss bool             // go on without them, or with stale ones: what was revoked since may become good again
	Clock      func() time.Time // nil = time.Now
}

// Restored is a CA made from a backup.
type Restored struct {
	Manifest
	Caught ca.Caught
}

// Restore makes a CA from a backup, all of it or nothing. Before the CA is put in place, it has passed its self-check
// and caught up with the published lists (see [ca.Recovery.CatchUp]): nothing revoked becomes good, unless AcceptLoss.
// Restore signs nothing.
func Restore(cfg RestoreConfig) (r Restored, err error) {
	err = ca.Beside(cfg.Dir, func(draft string) error {
		c, err := unpack(cfg, draft)
		if err != nil {
			return fmt.Errorf("cannot use the backup %s: %w", cfg.From, err)
		}
		r.Manifest = c.Manifest
		r.Caught, err = revive(cfg, draft, c.Standing)
		return err
	})
	if err != nil {
		return Restored{}, fmt.Errorf("cannot restore the CA: %w", err)
	}
	return r, nil
}

func unpack(cfg RestoreConfig, draft string) (*content, error) {
	if err := os.Chmod(draft, 0o700); err != nil {
		return nil, err
	}
	c, err := open(cfg.From, cfg.Identities, func(path string) (io.WriteCloser, error) { return create(draft, path) })
	if err != nil {
		return nil, err
	}
	if err := c.check(func(path string) []byte { return smallFile(filepath.Join(draft, path)) }); err != nil {
		return nil, err
	}
	return c, filepath.WalkDir(draft, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		return files.SyncDir(path)
	})
}

// smallFile returns the content of a file; nil if it cannot be read, or is larger than what is looked for.
func smallFile(path string) []byte {
	in, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, maxSmall))
	if err != nil {
		return nil
	}
	return text
}

// create makes a file below dir, whose path has been checked. Published files can be read by everybody, all others by
// their owner alone.
func create(dir, path string) (io.WriteCloser, error) {
	file := filepath.Join(dir, filepath.FromSlash(path))
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, err
	}
	mode := fs.FileMode(0o600)
	if strings.HasPrefix(path, "public/") || strings.HasSuffix(path, ".crt") {
		mode = 0o644
	}
	out, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return nil, err
	}
	if err := files.Private(out); mode == 0o600 && err != nil {
		return nil, errors.Join(err, out.Close())
	}
	return &synced{out}, nil
}

// synced is a file that is on the disk once it is closed.
type synced struct{ *os.File }

// Close writes it through.
func (s *synced) Close() error { return errors.Join(s.Sync(), s.File.Close()) }

// revive opens the CA, has it check itself, and brings its books up to date.
func revive(cfg RestoreConfig, dir string, promised store.Standing) (ca.Caught, error) {
	c, err := ca.Open(dir, ca.Options{Clock: cfg.Clock})
	if err != nil {
		return ca.Caught{}, err
	}
	caught, err := ca.Caught{}, errors.Join(c.SelfCheck(), checkStanding(c, promised))
	if err == nil {
		caught, err = c.Recovery.CatchUp(cfg.Published, cfg.AcceptLoss)
	}
	return caught, errors.Join(err, c.Close())
}

func checkStanding(c *ca.CA, promised store.Standing) error {
	at, err := c.Standing()
	if err == nil && at != promised {
		err = fmt.Errorf("the books are at %+v, and the manifest says %+v", at, promised)
	}
	return err
}
