package dialer

import (
	"context"
	"net"
	"net/netip"
)

// maxAddresses bounds the dials that one DNS answer can cause.
const maxAddresses = 32

// direct connects to a host by its name; one connects to an address.
type direct struct {
	lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)
	one    Func
}

func (d direct) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if _, literal := netip.ParseAddr(host); err != nil || literal == nil {
		return d.one(ctx, network, address)
	}
	found, err := d.lookup(ctx, "ip", host)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	addresses := interleave(found)
	if len(addresses) == 0 {
		return nil, &net.OpError{Op: "dial", Net: network,
			Err: &net.DNSError{Err: "no address", Name: host, IsNotFound: true}}
	}
	return race(ctx, addresses, func(ctx context.Context, a netip.Addr) (net.Conn, error) {
		return d.one(ctx, network, net.JoinHostPort(a.String(), port))
	})
}

// interleave orders addresses for a race: the two families in turn, that of the first address first (RFC 8305, section
// 4).
func interleave(found []netip.Addr) (turns []netip.Addr) {
	var families [2][]netip.Addr
	for _, a := range found {
		a = a.Unmap()
		at := 0
		if a.Is4() != found[0].Unmap().Is4() {
			at = 1
		}
		families[at] = append(families[at], a)
	}
	for i := range found {
		for _, family := range families {
			if i < len(family) {
				turns = append(turns, family[i])
			}
		}
	}
	return turns[:min(len(turns), maxAddresses)]
}
