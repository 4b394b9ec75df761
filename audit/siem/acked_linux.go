package siem

import (
	"errors"
	"net"

	"golang.org/x/sys/unix"
)

// established is the state of a connection that neither end has closed (tcp_states.h).
const established = 1

var errClosed = errors.New("the SIEM has closed the connection")

// waiting returns how many octets the kernel of the other end has not acknowledged (SIOCOUTQ, tcp(7)). The error is
// errClosed when the connection is no longer open both ways.
func waiting(c *net.TCPConn) (octets int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	controlErr := raw.Control(func(fd uintptr) {
		if octets, err = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ); err != nil {
			return
		}
		var tcp *unix.TCPInfo
		if tcp, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err != nil {
			return
		}
		if tcp.State != established {
			err = errClosed
		}
	})
	return octets, errors.Join(controlErr, err)
}
