//go:build race

package quick

import "syscall"

// The race detector has to know of system calls, as they say what happens before what.

func read(fd uintptr, p []byte) (int, error) { return call(syscall.Read, fd, p) }

func write(fd uintptr, p []byte) (int, error) { return call(syscall.Write, fd, p) }

func call(f func(int, []byte) (int, error), fd uintptr, p []byte) (int, error) {
	for {
		n, err := f(int(fd), p)
		if err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}
