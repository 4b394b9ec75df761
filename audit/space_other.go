//go:build !linux

package audit

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// isDiskFull reports whether an error says that the disk is used up: on Windows ERROR_DISK_FULL.
func isDiskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.Errno(112))
}

// Elsewhere there is no reserve, and nobody knows how much is free.
func allocate(*os.File, int64) error { return errors.ErrUnsupported }
func allocated(fs.FileInfo) int64    { return 0 }
func freeOctets(string) int64        { return noFree }
