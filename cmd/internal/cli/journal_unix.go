//go:build unix

package cli

import (
	"fmt"
	"os"
	"syscall"
)

// fileNumbers returns an open file's DEVICE:INODE; "" if they are not known.
func fileNumbers(f *os.File) string {
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	at, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%d:%d", at.Dev, at.Ino)
}
