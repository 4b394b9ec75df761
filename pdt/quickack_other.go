//go:build !linux

package pdt

import "net"

// quicken does nothing here: TCP_QUICKACK is Linux's.
func quicken(c *net.TCPConn) net.Conn { return c }
