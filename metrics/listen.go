package metrics

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"tlagate/internal/tcp"
)

// socketMode lets owner and group of a Unix socket scrape.
const socketMode = 0o660

// CheckAddress returns what is wrong with an address to serve on: it must be a loopback address and port, or unix: and
// the absolute path of a socket. Scrapers elsewhere go through a TLS front of the operator's.
func CheckAddress(where string) error {
	if path, ok := strings.CutPrefix(where, "unix:"); ok {
		if !filepath.IsAbs(path) {
			return fmt.Errorf("cannot serve metrics on %q: want unix: and an absolute path", where)
		}
		return nil
	}
	at, err := netip.ParseAddrPort(where)
	if err != nil {
		return fmt.Errorf("cannot serve metrics on %q: want 127.0.0.1:PORT, [::1]:PORT or unix:/PATH", where)
	}
	if !at.Addr().Unmap().IsLoopback() {
		return fmt.Errorf("cannot serve metrics on %q: others can reach it, and metrics are sent in clear; "+
			"want 127.0.0.1:PORT, [::1]:PORT or unix:/PATH, behind a TLS front of your own if need be", where)
	}
	return nil
}

// Listen listens on an address that passes CheckAddress. It replaces a socket that a dead program left.
func Listen(where string) (net.Listener, error) {
	if err := CheckAddress(where); err != nil {
		return nil, err
	}
	path, unix := strings.CutPrefix(where, "unix:")
	if !unix {
		l, err := tcp.Listen(context.Background(), where, false)
		if err != nil {
			return nil, fmt.Errorf("cannot serve metrics on %s: %w", where, err)
		}
		return l, nil
	}
	l, err := listenUnix(path)
	if err != nil {
		return nil, fmt.Errorf("cannot serve metrics on the socket %s: %w", path, err)
	}
	return l, nil
}

func listenUnix(path string) (net.Listener, error) {
	if err := removeStale(path); err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, socketMode); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// removeStale removes a socket on which nobody listens, and nothing else.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Type() != os.ModeSocket {
		return nil // if anything is wrong, listening will fail and say so
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		c.Close()
		return errors.New("another program listens on it")
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return os.Remove(path)
	}
	return err
}
