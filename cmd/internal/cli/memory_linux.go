package cli

import "golang.org/x/sys/unix"

// closeMemory keeps other processes of the same account out of this one's memory, files and terminal (ptrace(2),
// pidfd_getfd(2)), and the kernel from dumping it (EL3).
func closeMemory() { _ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) } // it does not fail for 0
