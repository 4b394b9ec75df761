//go:build !linux

package activation

import "os"

// file takes a descriptor. Only systemd passes any, which is on Linux.
func file(fd int, name string) *os.File { return os.NewFile(uintptr(fd), name) }

func plain(*os.File, bool) error { return nil }
