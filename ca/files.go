package ca

import (
	"bufio"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	modePublic fs.FileMode = 0o644
	modeSecret fs.FileMode = 0o600
	modeDir    fs.FileMode = 0o700
)

// WriteNew writes a file that does not exist yet, all of it or nothing.
// The error is fs.ErrExist when there is one.
func WriteNew(file string, data []byte, mode fs.FileMode) error {
	return writeVia(file, data, mode, os.Link)
}

// Replace writes a file, all of it or nothing, in place of an old one if there is one.
func Replace(file string, data []byte, mode fs.FileMode) error {
	return writeVia(file, data, mode, os.Rename)
}

// writeVia writes a temporary file beside file and moves it into place.
func writeVia(file string, data []byte, mode fs.FileMode, place func(from, to string) error) error {
	s, err := stage(file, mode, func(w io.Writer) error { _, err := w.Write(data); return err })
	if err != nil {
		return err
	}
	defer s.discard()
	return s.place(place)
}

// staged is a file that is on the disk, beside its place and not in it yet: what can still fail then is little.
type staged struct{ tmp, file string }

func stage(file string, mode fs.FileMode, write func(io.Writer) error) (*staged, error) {
	tmp, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".tmp-*")
	if err != nil {
		return nil, fmt.Errorf("cannot write %s: %w", file, err)
	}
	if err := fill(tmp, mode, write); err != nil {
		os.Remove(tmp.Name())
		return nil, fmt.Errorf("cannot write %s: %w", file, err)
	}
	return &staged{tmp.Name(), file}, nil
}

func (s *staged) place(move func(from, to string) error) error {
	if err := move(s.tmp, s.file); err != nil {
		return cannotPlace(s.file, err)
	}
	return SyncDir(filepath.Dir(s.file))
}

// discard removes what was not placed.
func (s *staged) discard() { os.Remove(s.tmp) }

func cannotPlace(file string, err error) error {
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("cannot write %s: %w", file, fs.ErrExist)
	}
	return fmt.Errorf("cannot write %s: %w", file, err)
}

func fill(f *os.File, mode fs.FileMode, write func(io.Writer) error) error {
	defer f.Close()
	if err := f.Chmod(mode); err != nil {
		return err
	}
	out := bufio.NewWriterSize(f, 64<<10)
	if err := write(out); err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}

// SyncDir writes through what was created, renamed or removed in a directory.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
