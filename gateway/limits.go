package gateway

import (
	"cmp"
	"time"

	"tlagate/pki/listen"
	"tlagate/session/link"
)

// Limits bound what peers may do; zero stands for the default of each.
type Limits struct {
	Absolute           time.Duration // length of a session, 12 h (SA4)
	Drain              time.Duration // what sessions get to end once stopping, 10 s
	Heartbeat          time.Duration // silence before a ping, 5 s; after three times that the link is dead
	Request            time.Duration // time for a request to come, and for its answer to go, 10 s
	Idle               time.Duration // a connection between requests, 180 s
	Nonce              time.Duration // life of a nonce, 180 s
	Ticket             time.Duration // life of a ticket, 5 min; it is renewed after a fifth
	JoinWait           time.Duration // how long an open waits for a parked link, 2 s
	Recheck            time.Duration // how often peers are checked again without a change of the CRLs, 10 s
	Handshakes         int           // connections at once of unproven peers; as many as the limit of files leaves
	HandshakesPerIP    int           // of them from one IPv4 address or IPv6 /64; all
	Connections        int           // proven connections at once, 30000: three a session, for 9 000 of them, and room
	ConnectionsPerPeer int           // of them of one identity, 64
	ParkedPerPdT       int           // links one PdT may park, 16
	PerPractice        PracticeLimits
}

// WithDefaults returns the limits with the defaults in place of zeros.
func (l Limits) WithDefaults() Limits {
	l.Absolute = cmp.Or(l.Absolute, 12*time.Hour)
	l.Drain = cmp.Or(l.Drain, 10*time.Second)
	l.Heartbeat = cmp.Or(l.Heartbeat, link.DefaultHeartbeat)
	l.Request = cmp.Or(l.Request, 10*time.Second)
	l.Idle = cmp.Or(l.Idle, 180*time.Second)
	l.Nonce = cmp.Or(l.Nonce, 180*time.Second)
	l.Ticket = cmp.Or(l.Ticket, 5*time.Minute)
	l.JoinWait = cmp.Or(l.JoinWait, 2*time.Second)
	l.Recheck = cmp.Or(l.Recheck, 10*time.Second)
	l.Connections = cmp.Or(l.Connections, 30000)
	l.Handshakes = cmp.Or(l.Handshakes, listen.Places(l.Connections))
	l.ConnectionsPerPeer = cmp.Or(l.ConnectionsPerPeer, 64)
	l.ParkedPerPdT = cmp.Or(l.ParkedPerPdT, 16)
	l.PerPractice = l.PerPractice.withDefaults()
	return l
}
