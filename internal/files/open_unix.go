//go:build unix

package files

import "syscall"

// nonblocking has a pipe opened at once, whether anybody writes to it or not.
const nonblocking = syscall.O_NONBLOCK
