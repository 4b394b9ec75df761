package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"syscall"
)

// system is what some file systems cannot do: FAT and exFAT, as on most sticks, have neither hard links nor modes.
type system struct {
	link  func(from, to string) error
	chmod func(f *os.File, mode fs.FileMode) error
}

var here = system{os.Link, (*os.File).Chmod}

// cannot reports whether an error says that a file system has no such thing.
func cannot(err error) bool {
	return errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EPERM)
}

// setMode sets a mode where there are modes. Where there are none the system says so, or that all is well.
func (s system) setMode(f *os.File, mode fs.FileMode) error {
	if err := s.chmod(f, mode); !cannot(err) {
		return err
	}
	return nil
}

// ErrReadable is the error of a place where others can read what its mode forbids them.
var ErrReadable = errors.New("others could read it, for this file system keeps no modes: " +
	"mount it for one user alone (-o umask=077,uid=…), or take a medium with ext4")

// Private returns ErrReadable when others than its owner can read or write an open file that was made with mode 0600.
// Windows has no such bits.
func Private(f *os.File) error {
	info, err := f.Stat()
	if err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		err = fmt.Errorf("mode %04o: %w", info.Mode().Perm(), ErrReadable)
	}
	return err
}

// placeWithoutLinks takes the name first and then moves the file over it. A crash in between leaves an empty file.
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
