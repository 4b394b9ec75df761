// Package dialer connects the programs of devices to their gateways, whatever the link is (annex code C3): over IPv6 or IPv4,
// whichever answers first, or through the HTTP proxy that the configuration names. What is carried is TLS that begins
// behind it: a proxy sees a host, a port and octets.
//
// The proxy variables of the environment are never looked at: flows are those of the configuration (C1).
package dialer

import (
	"context"
	"net"
	"time"
)

// Func is like net.Dialer's DialContext.
type Func func(ctx context.Context, network, address string) (net.Conn, error)

// fallback is the head start of the family of addresses that comes first (RFC 8305 calls it the Connection Attempt Delay; its
// recommendation is 250 ms, the default of Go 300 ms).
const fallback = 300 * time.Millisecond

// Direct connects without a proxy. The addresses of a name are ordered by RFC 6724; the family of the first one begins, the other follows after
// 300 ms, and both go on side by side. Inside a family the time that ctx leaves is shared among the addresses, at least 2 s each,
// so that 5 s stand one dead address beside a good one, or two. Names are looked up by Go itself, in the hosts file and by DNS: no plugin of the
// system's name service comes into a process that holds keys, nor is one missed inside a sandbox.
func Direct() Func {
	return (&net.Dialer{FallbackDelay: fallback, Resolver: &net.Resolver{PreferGo: true}}).DialContext
}
