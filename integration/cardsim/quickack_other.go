//go:build !linux

package cardsim

import "net"

func quickAck(*net.TCPConn) error { return nil }
