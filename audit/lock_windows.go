package audit

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// lockAt is where the head file is locked: far behind its content, so that it can be read meanwhile.
const lockAt = 1 << 30

// tryLock locks a file for this handle alone, or shared with other readers; busy reports whether somebody else has the
// lock.
func tryLock(f *os.File, shared bool) (busy bool, err error) {
	how := uint32(windows.LOCKFILE_FAIL_IMMEDIATELY)
	if !shared {
		how |= windows.LOCKFILE_EXCLUSIVE_LOCK
	}
	err = windows.LockFileEx(windows.Handle(f.Fd()), how, 0, 1, 0, &windows.Overlapped{Offset: lockAt})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return true, nil
	}
	return false, err
}

// checkMode accepts every log: Windows has no such bits, and the directory's rights count.
func checkMode(*os.File) error { return nil }
