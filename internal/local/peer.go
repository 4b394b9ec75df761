package local

import (
	"fmt"
	"math"
	"net"
)

// Peer is the process at the other end of a Unix socket, when it connected or began to listen.
type Peer struct {
	PID      int
	UID, GID uint32
}

// unknown is nobody: no account has these numbers.
var unknown = Peer{-1, math.MaxUint32, math.MaxUint32}

// String returns the numbers of the process and its user.
func (p Peer) String() string {
	if p == unknown {
		return "unknown"
	}
	return fmt.Sprintf("pid %d uid %d", p.PID, p.UID)
}

// Listener returns the process that listens on a Unix socket. With an error it returns nobody.
func Listener(path string) (Peer, error) {
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return unknown, err
	}
	defer c.Close()
	return PeerOf(c)
}
