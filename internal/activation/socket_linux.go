package activation

import (
	"cmp"
	"errors"
	"os"
	"syscall"
)

// file takes a descriptor, which no child gets.
func file(fd int, name string) *os.File {
	syscall.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), name)
}

// Of socket(7) and RFC 8684.
const (
	soProtocol    = 38
	protocolMPTCP = 262
)

// plain returns an error for a socket that does not listen, which nothing could be accepted from, and for one of
// Multipath TCP that is not wanted: a path added later is one more way in that a packet filter does not know.
func plain(f *os.File, multipath bool) error {
	fd := int(f.Fd())
	listens, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN)
	if err != nil || listens == 0 {
		return cmp.Or(err, errors.New("it does not listen: leave out Accept= in the socket's unit"))
	}
	protocol, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, soProtocol)
	if err == nil && protocol == protocolMPTCP && !multipath {
		err = errors.New("it is one of Multipath TCP, which the configuration does not want: see SocketProtocol= in " +
			"the socket's unit")
	}
	return err
}
