package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"syscall"
)

// system has the operations that some file systems lack: FAT and exFAT, as on most USB sticks, have neither hard links
// nor modes. Tests replace them.
type system struct {
	link  func(from, to string) error
	chmod func(f *os.File, mode fs.FileMode) error
}

var here = system{os.Link, (*os.File).Chmod}

// unsupported reports whether an error means that a file system lacks an operation.
func unsupported(err error) bool {
	return errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EPERM)
}

// setMode sets a mode if the file system has modes. Otherwise it does nothing: some systems report an error then, and
// others do not.
func (s system) setMode(f *os.File, mode fs.FileMode) error {
	if err := s.chmod(f, mode); !unsupported(err) {
		return err
	}
	return nil
}

// ErrReadable means that others could read a file although its mode forbids it.
var ErrReadable = errors.New("others could read it, for this file system keeps no modes: " +
	"mount it for one user alone (-o umask=077,uid=…), or take a medium with ext4")

// Private returns ErrReadable if others than its owner can read or write an open file that was made with mode 0600.
// Windows has no such bits.
func Private(f *os.File) error {
	info, err := f.Stat()
	if err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		err = fmt.Errorf("mode %04o: %w", info.Mode().Perm(), ErrReadable)
	}
	return err
}

// placeWithoutLinks first creates an empty file of the name, and then moves the staged file over it. A crash in between
// leaves the empty file.
func (s *Staged) placeWithoutLinks() error {
	f, err := os.OpenFile(s.file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Close(), s.Replace()); err != nil {
		return errors.Join(err, os.Remove(s.file))
	}
	return nil
}
