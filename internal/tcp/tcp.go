// Package tcp listens, for all programs.
package tcp

import (
	"context"
	"net"
)

// Listen listens on host:port. Multipath TCP (RFC 8684), which Go offers on every listener by itself, is taken only if
// multipath: a path added later is one more way in that a packet filter does not know.
func Listen(ctx context.Context, address string, multipath bool) (net.Listener, error) {
	var config net.ListenConfig
	config.SetMultipathTCP(multipath)
	return config.Listen(ctx, "tcp", address)
}
