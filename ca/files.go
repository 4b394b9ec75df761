package ca

import (
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"tlagate/internal/files"
)

const (
	modePublic fs.FileMode = 0o644
	modeSecret fs.FileMode = 0o600
	modeDir    fs.FileMode = 0o700
)

// WriteNew writes a file that does not exist yet, all of it or nothing.
// The error is fs.ErrExist when there is one. What has modeSecret is a secret, and refused where others could read it.
func WriteNew(file string, data []byte, mode fs.FileMode) error {
	if mode == modeSecret {
		return written(file, files.WriteNewSecret(file, data))
	}
	return written(file, files.WriteNew(file, data, mode))
}

// Replace writes a file, all of it or nothing, in place of an old one if there is one.
func Replace(file string, data []byte, mode fs.FileMode) error {
	if mode == modeSecret {
		return written(file, files.ReplaceSecret(file, data))
	}
	return written(file, files.Replace(file, data, mode))
}

// stage makes a file that then only needs to be put in its place.
func stage(file string, write func(io.Writer) error) (*files.Staged, error) {
	s, err := files.Stage(file, modePublic, write)
	return s, written(file, err)
}

func written(file string, err error) error {
	switch {
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("cannot write %s: %w", file, fs.ErrExist)
	case err != nil:
		return fmt.Errorf("cannot write %s: %w", file, err)
	}
	return nil
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
