package vpcd

import (
	"net"
	"syscall"
)

// quickConn acknowledges at once: vpcd writes length and body in two sends, and Nagle's algorithm delays the second
// until the first is acknowledged. With delayed acknowledgement that costs 40 ms an APDU.
type quickConn struct {
	*net.TCPConn
	raw syscall.RawConn
}

func quicken(c *net.TCPConn) net.Conn {
	raw, err := c.SyscallConn()
	if err != nil {
		return c
	}
	return &quickConn{c, raw}
}

// Read asks for quick acknowledgement each time: the kernel drops the option by itself.
func (q *quickConn) Read(b []byte) (int, error) {
	_ = q.raw.Control(quickAck)
	return q.TCPConn.Read(b)
}

func quickAck(fd uintptr) {
	_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1)
}
