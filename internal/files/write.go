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
	return writeVia(file, data, mode, (*Staged).Replace)
}

// WriteNew writes a file that does not exist yet. The error is fs.ErrExist when it does.
func WriteNew(file string, data []byte, mode fs.FileMode) error {
	return writeVia(file, data, mode, (*Staged).PlaceNew)
}

func writeVia(file string, data []byte, mode fs.FileMode, place func(*Staged) error) error {
	s, err := Stage(file, mode, func(w io.Writer) error { _, err := w.Write(data); return err })
	if err != nil {
		return err
	}
	defer s.Discard()
	return place(s)
}

// Staged is a file that is on the disk, beside its place and not in it yet: what can still fail then is little.
type Staged struct{ tmp, file string }

// Stage has write make the content of file. Discard what it returns.
func Stage(file string, mode fs.FileMode, write func(io.Writer) error) (*Staged, error) {
	tmp, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".tmp-*") // mode 0600
	if err != nil {
		return nil, err
	}
	if err := fill(tmp, mode, write); err != nil {
		os.Remove(tmp.Name())
		return nil, err
	}
	return &Staged{tmp.Name(), file}, nil
}

// Replace puts the file in its place, whatever is there.
func (s *Staged) Replace() error { return Rename(s.tmp, s.file) }

// PlaceNew puts the file in its place, which must be free. The error is fs.ErrExist when it is not.
func (s *Staged) PlaceNew() error {
	if err := os.Link(s.tmp, s.file); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(s.file))
}

// Discard removes what was not placed.
func (s *Staged) Discard() { os.Remove(s.tmp) }

func fill(f *os.File, mode fs.FileMode, write func(io.Writer) error) error {
	defer f.Close()
	if err := f.Chmod(mode); err != nil {
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
