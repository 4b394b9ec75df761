package doctor

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// kernelClock reports whether something keeps the kernel's clock synchronised (adjtimex(2); any user may ask).
func kernelClock() (bool, error) {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	return err == nil && state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0, err
}

// owning returns the uid and the gid of a file's owners.
func owning(file string) (uid, gid string, err error) {
	var stat unix.Stat_t
	if err := unix.Stat(file, &stat); err != nil {
		return "", "", err
	}
	return strconv.FormatUint(uint64(stat.Uid), 10), strconv.FormatUint(uint64(stat.Gid), 10), nil
}
