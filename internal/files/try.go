package files

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
)

// Trial says what a directory's file system cannot do; nil = it can.
type Trial struct {
	Replace error // put a file in the place of another
	Private error // keep a file from others; ErrReadable
	Links   error // take a name that must be free, with the whole of a file; without, after a crash it may be empty
	SyncDir error // write a new name through
}

// Try tries a directory. What it writes there it removes again.
func Try(dir string) (Trial, error) { return here.try(dir) }

func (s system) try(dir string) (t Trial, err error) {
	if dir, err = os.MkdirTemp(dir, ".try-*"); err != nil {
		return t, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "file")
	if err := s.write(file, []byte("old"), 0o644, open, (*Staged).PlaceNew); err != nil {
		return t, err
	}
	return Trial{Replace: s.tryReplace(file), Private: s.tryPrivate(file), Links: s.tryLink(file),
		SyncDir: trySync(dir)}, nil
}

func (s system) tryReplace(file string) error {
	if err := s.write(file, []byte("new"), 0o644, open, (*Staged).Replace); err != nil {
		return err
	}
	if text, err := os.ReadFile(file); err != nil || !bytes.Equal(text, []byte("new")) {
		return errors.Join(err, errors.New("the old content is still there"))
	}
	return nil
}

func (s system) tryPrivate(file string) error {
	return s.write(file, []byte("secret"), 0o600, secret, (*Staged).Replace)
}

func (s system) tryLink(file string) error {
	err := s.link(file, file+".link")
	if link := (*os.LinkError)(nil); errors.As(err, &link) {
		err = link.Err // the names are of no interest
	}
	return err
}

func trySync(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
