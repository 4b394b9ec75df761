package files

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
)

// Trial is what a directory's file system cannot do; nil = it can.
type Trial struct {
	Replace error // replace a file
	Private error // hide a file from others; ErrReadable
	Links   error // give a whole file a name that must be free; without links, the file may be empty after a crash
	SyncDir error // write a new name to the disk
}

// Try tries what a directory's file system can do. It removes what it writes there.
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
		err = link.Err // without the names
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
