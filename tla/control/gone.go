package control

import (
	"context"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// goneTime is how soon it is noticed that a client has gone.
const goneTime = 200 * time.Millisecond

// whenGone calls gone when the client has closed its end, unless ctx ends first. It reads nothing from the client.
func whenGone(ctx context.Context, c *net.UnixConn, gone func()) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	look := time.NewTicker(goneTime)
	defer look.Stop()
	for !hungUp(raw) {
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
	}
	if ctx.Err() == nil { // else the client was told before, and may close its end
		gone()
	}
}

// hungUp reports whether the other end of a connection is closed.
func hungUp(raw interface{ Control(func(fd uintptr)) error }) (is bool) {
	err := raw.Control(func(fd uintptr) {
		look := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		_, _ = unix.Poll(look, 0)
		is = look[0].Revents&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0
	})
	return is || err != nil
}
