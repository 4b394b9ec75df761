package listen

import (
	"net"
	"sync"

	"tlagate/pki"
)

// Door is a listener that lets in proven peers of one role, so many at once. What Accept returns is a *Conn, which has
// its place until it is closed.
type Door struct {
	net.Listener // a *Listener
	cfg          DoorConfig
	places       *Shares
}

// DoorConfig says whom a Door lets in.
type DoorConfig struct {
	Role       pki.Role
	Most, Each int // connections at once, in all and of one identity

	// TurnedAway is called with each connection that is not let in, and why: pki.WrongRole or TooMany. It is closed
	// then.
	TurnedAway func(c *Conn, why string)
}

// NewDoor returns a door to what l proves.
func NewDoor(l *Listener, cfg DoorConfig) *Door { return &Door{l, cfg, NewShares(cfg.Most, cfg.Each)} }

// Accept returns the connection of the next peer for whom there is a place.
func (d *Door) Accept() (net.Conn, error) {
	for {
		c, err := d.Listener.Accept()
		if err != nil {
			return nil, err
		}
		proven := c.(*Conn)
		why := d.enter(proven)
		if why == "" {
			return proven, nil
		}
		d.cfg.TurnedAway(proven, why)
		_ = proven.Close()
	}
}

// enter takes a place, or returns why there is none.
func (d *Door) enter(c *Conn) string {
	who := c.Peer.Identity.String()
	switch {
	case c.Peer.Identity.Role != d.cfg.Role:
		return string(pki.WrongRole)
	case !d.places.Take(who):
		return TooMany
	}
	c.leave = sync.OnceFunc(func() { d.places.Return(who) })
	return ""
}
