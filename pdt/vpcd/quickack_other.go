//go:build !linux

package vpcd

import "net"

// quicken does nothing here: TCP_QUICKACK is Linux's.
func quicken(c *net.TCPConn) net.Conn { return c }
