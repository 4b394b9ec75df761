package listen

import (
	"net/netip"
	"sync"
)

// gate bounds handshakes under way, in all and from one address, so that slow ones starve nobody else.
type gate struct {
	total, each int

	mu   sync.Mutex // protects the rest
	all  int
	from map[string]int
}

// enter takes a place; leave gives it back.
func (g *gate) enter(remote string) (leave func(), ok bool) {
	source := SourceOf(remote)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.all >= g.total || g.from[source] >= g.each {
		return nil, false
	}
	if g.from == nil {
		g.from = map[string]int{}
	}
	g.all++
	g.from[source]++
	return func() { g.leave(source) }, true
}

func (g *gate) leave(source string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.all--
	if g.from[source]--; g.from[source] == 0 {
		delete(g.from, source)
	}
}

// SourceOf gives what addresses are counted by: an IPv4 address, or an IPv6 /64, since who has one address of that has them
// all. remote is as net.Addr has it.
func SourceOf(remote string) string {
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
