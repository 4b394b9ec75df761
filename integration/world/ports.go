package world

import (
	"fmt"
	"net"
	"sync"
)

// Ports are handed out once in a world, below the kernel's ephemeral range.
const (
	firstPort = 20000
	lastPort  = 32000
)

var ports struct {
	sync.Mutex // protects given
	given      int
}

// Port returns a free TCP port.
func Port() (int, error) { return consecutive(1) }

// PortPair returns the first of two consecutive free ports, as a vpcd reader with two slots needs.
func PortPair() (int, error) { return consecutive(2) }

// Addr returns the address of a port on the loopback interface.
func Addr(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

func consecutive(n int) (int, error) {
	ports.Lock()
	defer ports.Unlock()
	for firstPort+ports.given+n <= lastPort {
		port := firstPort + ports.given
		ports.given += n
		if allFree(port, n) {
			return port, nil
		}
	}
	return 0, fmt.Errorf("cannot find a free port: %d to %d are used up", firstPort, lastPort)
}

func allFree(port, n int) bool {
	for i := range n {
		l, err := net.Listen("tcp4", fmt.Sprintf(":%d", port+i))
		if err != nil {
			return false
		}
		_ = l.Close()
	}
	return true
}
