//go:build !linux

package local

import (
	"errors"
	"net"
)

// PeerOf returns an error: only Linux tells.
func PeerOf(*net.UnixConn) (Peer, error) {
	return unknown, errors.New("cannot tell who is at the other end of a socket on this system")
}
