//go:build unix

package audit

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// tryLock locks a file for this open file description alone, or shared with other readers; busy reports whether
// somebody else has the lock.
func tryLock(f *os.File, shared bool) (busy bool, err error) {
	how := unix.LOCK_EX
	if shared {
		how = unix.LOCK_SH
	}
	err = unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, unix.EINTR) {
		return true, nil
	}
	return false, err
}

// checkMode refuses a log that others may write, or that everybody may read.
func checkMode(f *os.File) error {
	info, err := f.Stat()
	if err == nil && info.Mode().Perm()&0o027 != 0 {
		err = errors.New("its mode lets others at it; run chmod 600 (or 640) on it")
	}
	return err
}
