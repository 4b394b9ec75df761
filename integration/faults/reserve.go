package faults

import (
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// reserve binds a socket to an IPv4 address (port 0: a free one) and does not listen: while the proxy's own listener
// comes and goes, no other process gets the port, not even for an outgoing connection.
func reserve(addr string) (bound string, socket *os.File, err error) {
	at, err := netip.ParseAddrPort(addr)
	if err != nil {
		return "", nil, err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", nil, os.NewSyscallError("socket", err)
	}
	socket = os.NewFile(uintptr(fd), addr)
	if bound, err = bind(fd, at); err != nil {
		_ = socket.Close()
	}
	return bound, socket, err
}

func bind(fd int, at netip.AddrPort) (bound string, err error) {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return "", os.NewSyscallError("setsockopt", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}); err != nil {
		return "", os.NewSyscallError("bind", err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return "", os.NewSyscallError("getsockname", err)
	}
	v4 := name.(*unix.SockaddrInet4)
	return (&net.TCPAddr{IP: v4.Addr[:], Port: v4.Port}).String(), nil
}
