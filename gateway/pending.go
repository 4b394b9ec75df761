package gateway

import (
	"errors"
	"net/netip"
	"sync"
)

const tooMany = "too_many"

// Why a connection is closed before any request of it is read.
var (
	errTooManyPending = errors.New("too many handshakes under way, in all or from this address")
	errTooMany        = errors.New("as many connections are open as may be")
	errTooManyOfPeer  = errors.New("this peer has as many connections as one may have")
)

// pending bounds handshakes under way, in all and from one address, so that slow ones starve nobody else.
type pending struct {
	total, each int

	mu   sync.Mutex // protects the rest
	all  int
	from map[string]int
}

// enter takes a place; leave gives it back.
func (p *pending) enter(remote string) (leave func(), err error) {
	source := sourceOf(remote)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all >= p.total || p.from[source] >= p.each {
		return nil, errTooManyPending
	}
	if p.from == nil {
		p.from = map[string]int{}
	}
	p.all++
	p.from[source]++
	return func() { p.leave(source) }, nil
}

func (p *pending) leave(source string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all--
	if p.from[source]--; p.from[source] == 0 {
		delete(p.from, source)
	}
}

// sourceOf gives an IPv4 address, or an IPv6 /64: who has one address of that has them all.
func sourceOf(remote string) string {
	ap, err := netip.ParseAddrPort(remote)
	if err != nil {
		return remote
	}
	addr := ap.Addr().Unmap().WithZone("")
	if addr.Is4() {
		return addr.String()
	}
	prefix, _ := addr.Prefix(64) // 64 fits
	return prefix.String()
}
