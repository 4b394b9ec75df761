package api

import (
	"log/slog"
	"net"

	"tlagate/pki/listen"
)

// turnAway says who has no business here, or no place.
func (s *Server) turnAway(c *listen.Conn, why string) {
	who, remote := c.Peer.Identity.String(), remoteOf(c)
	s.ration.Log(listen.Line{Level: slog.LevelWarn, Message: "connection to the API refused", Remote: remote,
		Reason: why}, "peer", who)
	if why == listen.TooMany {
		s.peers.Full(c.Peer, remote)
		return
	}
	s.peers.RequestRefused(c.Peer, remote, "api", why)
}

// remoteOf returns the address of the other end; that of a Unix socket has no name.
func remoteOf(c net.Conn) string {
	if c.RemoteAddr().Network() == "tcp" {
		return c.RemoteAddr().String()
	}
	return "socket"
}
