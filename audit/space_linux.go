package audit

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// isDiskFull reports whether an error says that disk or quota is used up.
func isDiskFull(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

// allocate gives a file its place on the disk up to an offset, without making it longer.
func allocate(f *os.File, octets int64) error {
	for {
		err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, octets)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// allocated returns how many octets a file has on the disk.
func allocated(info fs.FileInfo) int64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return stat.Blocks * 512
	}
	return 0
}

// freeOctets returns how many octets an ordinary user can still write to the disk of a directory.
func freeOctets(dir string) int64 {
	var s unix.Statfs_t
	if unix.Statfs(dir, &s) != nil {
		return noFree
	}
	return int64(s.Bavail) * int64(s.Bsize)
}
