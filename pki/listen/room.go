package listen

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// Room holds the connections of strangers: those whose peer is not proven yet, or never will be. Every newcomer is let
// in. When the room is full, another connection is closed: of the source with most connections the one that has been
// silent longest, so that a flood pushes out itself and not the newcomer.
//
// A source is an IPv4 address, or an IPv6 /64; where no source has more than one connection, the heaviest /24 or /48
// takes its place.
type Room struct {
	cfg   RoomConfig
	turns turns

	mu       sync.Mutex // protects the rest
	guests   int
	sources  groups
	networks groups
	proven   map[string]time.Time // when a peer from this source was last proven
}

// RoomConfig configures a Room.
type RoomConfig struct {
	Places int           // connections at once; 0 = Places(0)
	Each   int           // of them from one source; beyond, its own silent ones are closed; 0 = as many as Places
	Silent time.Duration // until the first octets; 0 = 3 s
	Turns  int           // connections that are served at once, while the others wait; 0 = all
}

const (
	silentTime = 3 * time.Second

	// provenTime is how long a source is favoured after a peer from it was proven: longer than a session is kept whose
	// link was lost. maxProven bounds the favoured sources.
	provenTime = 10 * time.Minute
	maxProven  = 16384
)

// NewRoom returns an empty room.
func NewRoom(cfg RoomConfig) *Room {
	if cfg.Places == 0 {
		cfg.Places = Places(0)
	}
	if cfg.Each == 0 {
		cfg.Each = cfg.Places
	}
	if cfg.Silent == 0 {
		cfg.Silent = silentTime
	}
	return &Room{cfg: cfg, turns: newTurns(cfg.Turns), proven: map[string]time.Time{}}
}

// Enter lets a connection in. From then on, the caller reads and closes the guest in its place.
func (r *Room) Enter(c net.Conn) *Guest {
	source, network := origin(c.RemoteAddr().String())
	g := newGuest(c, r)
	r.mu.Lock()
	favour := 0
	if last, ok := r.proven[source]; ok && time.Since(last) < provenTime {
		favour = r.cfg.Places / 4
	}
	r.guests++
	r.sources.add(&g.inSource, source, favour, g)
	r.networks.add(&g.inNetwork, network, favour, g)
	gone := r.makeRoom(g)
	r.mu.Unlock()
	if gone != nil {
		gone.sendAway(ErrTooMany)
	}
	return g
}

// makeRoom returns the guest that has to go for the newcomer, nil while there is room. It is called with r.mu locked.
func (r *Room) makeRoom(newcomer *Guest) *Guest {
	own := newcomer.inSource.group
	switch {
	case own.guests.Len() > r.cfg.Each:
		return own.longestSilent()
	case r.guests <= r.cfg.Places:
		return nil
	}
	if g := r.heaviest().longestSilent(); g != nil {
		return g
	}
	return newcomer // all others are being served
}

// heaviest returns the heaviest source, or network. It is called with r.mu locked, while there is a guest.
func (r *Room) heaviest() *group {
	if source := r.sources.heaviest(); source.weight() > 1 {
		return source
	}
	return r.networks.heaviest()
}

// Relieve sends one guest away, as if a newcomer had come to a full room: the process has run out of files.
func (r *Room) Relieve() {
	r.mu.Lock()
	var gone *Guest
	if r.guests > 0 {
		gone = r.heaviest().longestSilent()
	}
	r.mu.Unlock()
	if gone != nil {
		gone.sendAway(ErrTooMany)
	}
}

// leave forgets a guest; it may be called twice.
func (r *Room) leave(g *Guest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if g.inSource.group == nil {
		return
	}
	r.guests--
	r.sources.remove(&g.inSource)
	r.networks.remove(&g.inNetwork)
}

// prove favours the source of a guest whose peer is proven: as many of its guests as a quarter of the places weigh
// nothing.
func (r *Room) prove(g *Guest) {
	source, _ := origin(g.RemoteAddr().String())
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.proven[source]; !known && len(r.proven) >= maxProven {
		r.forget(now)
	}
	if len(r.proven) < maxProven {
		r.proven[source] = now
	}
}

// forget drops the sources that are no longer favoured; if all still are, it drops one of them. It is called with r.mu
// locked.
func (r *Room) forget(now time.Time) {
	anyone := ""
	for source, last := range r.proven {
		anyone = source
		if now.Sub(last) >= provenTime {
			delete(r.proven, source)
		}
	}
	if len(r.proven) >= maxProven {
		delete(r.proven, anyone)
	}
}

// Guests returns the number of connections in the room.
func (r *Room) Guests() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.guests
}

// Listener returns a listener whose connections, accepted by l, are guests. They stay in the room until they are
// closed.
func (r *Room) Listener(l net.Listener) net.Listener { return &roomListener{l, r} }

type roomListener struct {
	net.Listener
	room *Room
}

func (l *roomListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.room.Enter(c), nil
}

// SourceOf returns what connections are counted by: an IPv4 address, or an IPv6 /64, since a peer with one address of a
// /64 has them all. remote is the String of a net.Addr.
func SourceOf(remote string) string {
	source, _ := origin(remote)
	return source
}

// NetworkOf returns the /24, or IPv6 /48, of an address.
func NetworkOf(remote string) string {
	_, network := origin(remote)
	return network
}

// origin returns the source and the network of an address; for one that is not IP, both are the address itself.
func origin(remote string) (source, network string) {
	ap, err := netip.ParseAddrPort(remote)
	if err != nil {
		return remote, remote
	}
	addr, bits, wider := ap.Addr().Unmap().WithZone(""), 32, 24
	if addr.Is6() {
		bits, wider = 64, 48
	}
	near, _ := addr.Prefix(bits) // both fit
	far, _ := addr.Prefix(wider)
	if addr.Is4() {
		return addr.String(), far.String()
	}
	return near.String(), far.String()
}
