// Package dialer connects the programs of devices to their gateways, whatever the link is (annex code C3): over IPv6 or IPv4, whichever
// address answers first, or through the HTTP proxy that the configuration names. What is carried is TLS that begins
// behind it: a proxy sees a host, a port and octets.
//
// The proxy variables of the environment are never looked at: flows are those of the configuration (C1).
package dialer

import (
	"context"
	"net"
)

// Func is like net.Dialer's DialContext.
type Func func(ctx context.Context, network, address string) (net.Conn, error)

// Direct connects without a proxy. The addresses of a name are ordered by RFC 6724, the two families in turn; each has a head start of
// 250 ms before the next, or less when it fails, and all go on side by side for as long as ctx lets them (RFC 8305): several silent ones
// stand before a good one without harm. Names are looked up by Go itself, in the hosts file and by DNS: no plugin of the system's name
// service comes into a process that holds keys, nor is one missed inside a sandbox.
func Direct() Func {
	return direct{(&net.Resolver{PreferGo: true}).LookupNetIP, new(net.Dialer).DialContext}.dial
}
