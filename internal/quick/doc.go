// Package quick makes the reads and writes of a socket cost less.
//
// Package net tells Go's scheduler of each system call, because one may block. In a program that had nothing to do,
// that wakes a thread of the runtime, which finds that the call has ended and goes to sleep again. An exchange with a
// card passes twice through three programs that had nothing to do, and these threads took half of their context
// switches. But the sockets of package net never block, so that nobody need be told.
package quick
