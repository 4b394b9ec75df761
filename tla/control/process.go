package control

import (
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// process is a client's process. When it ends, its number may be given to another one: what is found out by the number
// counts only if the process still runs afterwards.
type process struct {
	pid    int
	fd     *os.File // pidfd
	failed error    // why there is no fd
}

// processOf returns the process of a client: by the kernel's handle for the connection (SO_PEERPIDFD, Linux 6.5), else
// by its number, right after it has connected.
func processOf(c *net.UnixConn, pid int) *process {
	if pid <= 0 {
		return &process{failed: errors.New("it is in another namespace")}
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return &process{failed: err}
	}
	var fd int
	var failed error
	err = raw.Control(func(s uintptr) { fd, failed = pidfd(int(s), pid) })
	if err := errors.Join(err, failed); err != nil {
		return &process{failed: err}
	}
	return &process{pid: pid, fd: os.NewFile(uintptr(fd), "pidfd")}
}

func pidfd(socket, pid int) (int, error) {
	fd, err := unix.GetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_PEERPIDFD)
	if errors.Is(err, unix.ENOPROTOOPT) {
		return unix.PidfdOpen(pid, 0)
	}
	return fd, err
}

// running returns an error if the process has ended.
func (p *process) running() error {
	var n int
	var failed error
	raw, err := p.fd.SyscallConn()
	if err != nil {
		return err
	}
	err = raw.Control(func(fd uintptr) {
		n, failed = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
	})
	if err := errors.Join(err, failed); err != nil {
		return err
	}
	if n != 0 {
		return fmt.Errorf("process %d has ended", p.pid)
	}
	return nil
}

func (p *process) close() {
	if p.fd != nil {
		p.fd.Close()
	}
}
