// Package memory is about that of the program itself.
package memory

import "golang.org/x/sys/unix"

// Close keeps other processes of the same account out of this one's memory, files and terminal (ptrace(2),
// pidfd_getfd(2)), and the kernel from dumping it (EL3).
func Close() { _ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) } // it does not fail for 0
