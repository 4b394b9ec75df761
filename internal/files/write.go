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

// Replace writes a file, in place of an old one if there is one.
func Replace(file string, data []byte, mode fs.FileMode) error {
	return here.write(file, data, mode, open, (*Staged).Replace)
}

// WriteNew writes a file that must not exist yet. The error is fs.ErrExist if it does.
func WriteNew(file string, data []byte, mode fs.FileMode) error {
	return here.write(file, data, mode, open, (*Staged).PlaceNew)
}

// ReplaceSecret is Replace for what others must not read, with mode 0600. If they could read it all the same, nothing
// is written, and the error is ErrReadable.
func ReplaceSecret(file string, data []byte) error {
	return here.write(file, data, 0o600, secret, (*Staged).Replace)
}

// WriteNewSecret is WriteNew for what others must not read, as in ReplaceSecret.
func WriteNewSecret(file string, data []byte) error {
	return here.write(file, data, 0o600, secret, (*Staged).PlaceNew)
}

// Whether it matters that others can read a file although its mode forbids it.
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

// Staged is a file that is written to the disk under another name, beside its place: little can still fail then.
type Staged struct {
	tmp, file string
	system    system
}

// Stage calls write to write the content of file, under another name. The caller must call Discard on what it returns.
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

// Replace puts the file in its place, and replaces what is there.
func (s *Staged) Replace() error { return Rename(s.tmp, s.file) }

// PlaceNew puts the file in its place, which must be free. The error is fs.ErrExist if it is not.
func (s *Staged) PlaceNew() error {
	err := s.system.link(s.tmp, s.file)
	switch {
	case unsupported(err):
		return s.placeWithoutLinks()
	case err != nil:
		return err
	}
	return SyncDir(filepath.Dir(s.file))
}

// Discard removes the file if it was not put in its place.
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

// Rename moves a file within its directory. When it returns, a crash cannot undo it.
func Rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(to))
}

// SyncDir writes to the disk what was created, renamed or removed in a directory. If that is impossible (on Windows, on
// some file systems) it returns no error: nothing better can be done.
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
