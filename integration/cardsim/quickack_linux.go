package cardsim

import (
	"net"

	"golang.org/x/sys/unix"
)

// quickAck makes the kernel acknowledge what comes next at once.
func quickAck(c *net.TCPConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1)
	})
	if err != nil {
		return err
	}
	return failed
}
