package ca

import (
	"encoding/pem"
	"errors"
	"fmt"
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
	dir := filepath.Dir(file)
	tmp, err := os.CreateTemp(dir, "."+filepath.Base(file)+".tmp-*")
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", file, err)
	}
	defer os.Remove(tmp.Name())
	if err := fill(tmp, data, mode); err != nil {
		return fmt.Errorf("cannot write %s: %w", file, err)
	}
	if err := place(tmp.Name(), file); err != nil {
		return cannotPlace(file, err)
	}
	return syncDir(dir)
}

func cannotPlace(file string, err error) error {
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("cannot write %s: %w", file, fs.ErrExist)
	}
	return fmt.Errorf("cannot write %s: %w", file, err)
}

func fill(f *os.File, data []byte, mode fs.FileMode) error {
	defer f.Close()
	if err := f.Chmod(mode); err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}

func syncDir(dir string) error {
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

// onePEM gives the content of a file that is one PEM block of that kind.
func onePEM(data []byte, kind string) ([]byte, error) {
	block, rest := pem.Decode(data)
	if block == nil || block.Type != kind {
		return nil, fmt.Errorf("it is not a PEM %s", kind)
	}
	if again, _ := pem.Decode(rest); again != nil {
		return nil, fmt.Errorf("it holds more than one PEM block, want one %s", kind)
	}
	return block.Bytes, nil
}
