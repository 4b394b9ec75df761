// Package dialer connects devices to their gateways over any network (annex
// code C3): over IPv6 or IPv4, whichever address answers first, or through the
// HTTP proxy that the configuration names. It carries TLS that begins behind the
// proxy, which sees a host, a port and octets.
//
// The proxy variables of the environment are ignored: the configuration alone
// decides the flows (C1).
package dialer

import (
	"context"
	"net"

	"tlagate/internal/quick"
)

// Func connects to an address, like [net.Dialer.DialContext].
type Func func(ctx context.Context, network, address string) (net.Conn, error)

// Direct returns a Func that connects without a proxy. The addresses of a name are ordered by RFC 6724, the two
// families in turn. Each has a head start of 250 ms before the next, or less when it fails, and all go on in parallel
// until ctx ends (RFC 8305): silent addresses before a good one do no harm. Go itself looks names up, in the hosts file
// and by DNS, so that no plugin of the system's name service is loaded into a process that holds keys, or is missing in
// a sandbox.
func Direct() Func {
	return direct{(&net.Resolver{PreferGo: true}).LookupNetIP, one}.dial
}

// one connects to an address.
func one(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return quick.Conn(c), nil
}
