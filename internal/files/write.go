package files

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// Replace writes file in place of an old one, if there is one.
func Replace(file string, data []byte, mode fs.FileMode) error {
	return here.write(file, data, mode, open, (*Staged).Replace)
}

// WriteNew writes a file that does not exist yet. The error is fs.ErrExist when it does.
func WriteNew(file string, data []byte, mode fs.FileMode) error {
	return here.write(file, data, mode, open, (*Staged).PlaceNew)
}

// ReplaceSecret is Replace of what others must not read, mode 0600. Where they could all the same nothing is written,
// and the error is ErrReadable.
func ReplaceSecret(file string, data []byte) error {
	return here.write(file, data, 0o600, secret, (*Staged).Replace)
}

// WriteNewSecret is WriteNew of what others must not read, as ReplaceSecret.
func WriteNewSecret(file string, data []byte) error {
	return here.write(file, data, 0o600, secret, (*Staged).PlaceNew)
}

// Whether others may be able to read a file whose mode forbids it.
const (
	open   = false
	secret = true
)

func (s system) write(file string, data []byte, mode fs.FileMode, secret bool, place func(*Staged) error) error {
	staged, err := s.stage(file, mode, secret, func(w io.Writer) error { _, err := w.Write(data); return err })
	if err != nil {
		return err
	}
	defer staged.Discard()
	return place(staged)
}

// Staged is a file that is on the disk, beside its place and not in it yet: what can still fail then is little.
type Staged struct {
	tmp, file string
	system    system
}

// Stage has write make the content of file. Discard what it returns.
func Stage(file string, mode fs.FileMode, write func(io.Writer) error) (*Staged, error) {
	return here.stage(file, mode, open, write)
}

func (s system) stage(file string, mode fs.FileMode, secret bool, write func(io.Writer) error) (*Staged, error) {
	tmp, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".tmp-*") // mode 0600
	if err != nil {
		return nil, err
	}
	if err := s.fill(tmp, mode, secret, write); err != nil {
		os.Remove(tmp.Name())
		return nil, err
	}
	return &Staged{tmp.Name(), file, s}, nil
}

// Replace puts the file in its place, whatever is there.
func (s *Staged) Replace() error { return Rename(s.tmp, s.file) }

// PlaceNew puts the file in its place, which must be free. The error is fs.ErrExist when it is not.
func (s *Staged) PlaceNew() error {
	err := s.system.link(s.tmp, s.file)
	switch {
	case cannot(err):
		return s.placeWithoutLinks()
	case err != nil:
		return err
	}
	return SyncDir(filepath.Dir(s.file))
}

// Discard removes what was not placed.
func (s *Staged) Discard() { os.Remove(s.tmp) }

func (s system) fill(f *os.File, mode fs.FileMode, secret bool, write func(io.Writer) error) error {
	defer f.Close()
	if err := s.setMode(f, mode); err != nil {
		return err
	}
	if err := Private(f); secret && err != nil {
		return err
	}
	out := bufio.NewWriterSize(f, 64<<10)
	if err := write(out); err != nil {
		return err
	}
	return errors.Join(out.Flush(), f.Sync(), f.Close())
}

// Rename moves a file within its directory, to stay there when Rename returns.
func Rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(to))
}

// SyncDir writes through what was created, renamed or removed in a directory. Where that cannot be done (Windows, some
// file systems) it is no error: there is nothing better to do.
func SyncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}
