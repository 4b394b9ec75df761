package api

import (
	"log/slog"
	"net"
	"sync"

	"tlagate/pki"
	"tlagate/pki/listen"
)

// places lets in proven administrators, so many at once.
type places struct {
	net.Listener // its connections are *listen.Conn
	server       *Server

	mu    sync.Mutex // protects the rest
	taken map[string]int
	all   int
}

// Accept returns the connection of the next administrator for whom there is a place.
func (p *places) Accept() (net.Conn, error) {
	for {
		c, err := p.Listener.Accept()
		if err != nil {
			return nil, err
		}
		proven := c.(*listen.Conn)
		if why := p.enter(proven); why != "" {
			p.turnAway(proven, why)
			continue
		}
		p.server.peers.Accepted(proven.Peer, remoteOf(c))
		return &placed{Conn: c, leave: sync.OnceFunc(func() { p.leave(proven) })}, nil
	}
}

// enter takes a place, or returns why there is none.
func (p *places) enter(c *listen.Conn) string {
	if c.Peer.Identity.Role != pki.RoleAdmin {
		return string(pki.WrongRole)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	who := c.Peer.Identity.String()
	if p.all >= connections || p.taken[who] >= perAdmin {
		return listen.TooMany
	}
	p.taken[who]++
	p.all++
	return ""
}

func (p *places) leave(c *listen.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	who := c.Peer.Identity.String()
	p.all--
	if p.taken[who]--; p.taken[who] == 0 {
		delete(p.taken, who)
	}
}

// turnAway closes the connection of a proven peer that has no business here, or no place.
func (p *places) turnAway(c *listen.Conn, why string) {
	s := p.server
	who, remote := c.Peer.Identity.String(), remoteOf(c)
	s.ration.Log(listen.Line{Level: slog.LevelWarn, Message: "connection to the API refused", Remote: remote,
		Reason: why}, "peer", who)
	if why == listen.TooMany {
		s.peers.Full(c.Peer, remote)
	} else {
		s.peers.RequestRefused(c.Peer, remote, "api", why)
	}
	c.Close()
}

// remoteOf returns the address of the other end; that of a Unix socket has no name.
func remoteOf(c net.Conn) string {
	if c.RemoteAddr().Network() == "tcp" {
		return c.RemoteAddr().String()
	}
	return "socket"
}

// placed is a connection that has a place until it is closed.
type placed struct {
	net.Conn
	leave func()
}

// Close leaves, and closes the connection.
func (c *placed) Close() error {
	c.leave()
	return c.Conn.Close()
}
