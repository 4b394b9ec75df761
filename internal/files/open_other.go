//go:build !unix

package files

// nonblocking is 0: there are no pipes among the files here.
const nonblocking = 0
