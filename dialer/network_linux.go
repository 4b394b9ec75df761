package dialer

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// groups select the kernel's messages: about addresses and routes of both families (rtnetlink(7)).
const groups = unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR | unix.RTMGRP_IPV4_ROUTE | unix.RTMGRP_IPV6_ROUTE

// subscribe sends an event for each message of the kernel until ctx ends; messages that come while an event waits add
// none. It does not read what they say.
func subscribe(ctx context.Context, events chan<- struct{}) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("cannot watch addresses and routes: netlink: %w", err)
	}
	socket := os.NewFile(uintptr(fd), "netlink")
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		socket.Close()
		return fmt.Errorf("cannot watch addresses and routes: netlink: %w", err)
	}
	context.AfterFunc(ctx, func() { socket.Close() })
	go listen(socket, events)
	return nil
}

// listen reads until the socket is closed. ENOBUFS means that messages were lost, hence that there were some.
func listen(socket *os.File, events chan<- struct{}) {
	buf := make([]byte, 4096)
	for {
		if _, err := socket.Read(buf); err != nil && !errors.Is(err, unix.ENOBUFS) {
			return
		}
		select {
		case events <- struct{}{}:
		default:
		}
	}
}
