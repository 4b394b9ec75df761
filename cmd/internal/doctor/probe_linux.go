package doctor

import "golang.org/x/sys/unix"

// kernelClock reports whether something keeps the kernel's clock synchronised (adjtimex(2); any user may ask).
func kernelClock() (bool, error) {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	return err == nil && state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0, err
}
