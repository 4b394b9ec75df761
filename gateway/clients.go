package gateway

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"tlagate/pki/trust"

	"tlagate/pki"
	"tlagate/session/link"
)

// client is a connection whose peer is proven.
type client struct {
	conn   net.Conn
	peer   *trust.Peer
	remote string
	since  time.Time           // when it was proven
	end    atomic.Pointer[end] // of its link; nil before the upgrade
	said   atomic.Pointer[presence]
	cut    atomic.Bool   // before the upgrade: its certificate no longer passes
	hasty  *link.Problem // it came too soon after others, which its first request is told; nil = it did not

	// Owned by the connection's request handler: HTTP/1.1 has one at a time.
	nonce   string // issued and not yet used
	nonceAt time.Time
}

func (c *client) identity() string { return c.peer.Identity.String() }

// declared returns the server certificate that a PdT declared with its link; nil when there is none.
func (c *client) declared() *declaration {
	if e := c.end.Load(); e != nil {
		return e.declared
	}
	return nil
}

// person returns who uses a TLA in its session; nil = nobody whom we verified.
func (c *client) person() *trust.Person {
	if e := c.end.Load(); e != nil {
		if s := e.session.Load(); s != nil && !s.userTold.Load() {
			return s.user.person
		}
	}
	return nil
}

// notAfter returns when the first of a client's certificates, or that of its session's user, ends.
func (c *client) notAfter() time.Time {
	first := c.peer.NotAfter
	if d := c.declared(); d != nil && d.notAfter.Before(first) {
		first = d.notAfter
	}
	if p := c.person(); p != nil && p.NotAfter.Before(first) {
		first = p.NotAfter
	}
	return first
}

// clientTable holds the connections whose peers are proven, and bounds their number.
type clientTable struct {
	most, mostPerPeer, mostPerPractice int

	mu          sync.Mutex // protects the rest
	byConn      map[net.Conn]*client
	perPeer     map[pki.Identity]int // connections of each identity
	perPractice practiceCount        // connections of each practice
}

func newClientTable(l Limits) *clientTable {
	return &clientTable{most: l.Connections, mostPerPeer: l.ConnectionsPerPeer,
		mostPerPractice: l.PerPractice.Connections, byConn: map[net.Conn]*client{}, perPeer: map[pki.Identity]int{},
		perPractice: practiceCount{}}
}

// Why a proven connection is closed before any request of it is read.
var (
	errTooMany           = errors.New("the gateway has as many connections as it may have")
	errTooManyOfPeer     = errors.New("this peer has as many connections as it may have")
	errTooManyOfPractice = errors.New("the devices of this practice have as many connections as they may have")

	fullness = map[error]string{errTooMany: fullAll, errTooManyOfPeer: fullPeer, errTooManyOfPractice: fullPractice}
)

func (t *clientTable) add(c *client) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.byConn) >= t.most {
		return errTooMany
	}
	if t.perPeer[c.peer.Identity] >= t.mostPerPeer {
		return errTooManyOfPeer
	}
	if reached(t.perPractice[c.peer.Identity.Practice], t.mostPerPractice) {
		return errTooManyOfPractice
	}
	t.perPractice.add(c.peer.Identity.Practice, 1)
	t.byConn[c.conn] = c
	t.perPeer[c.peer.Identity]++
	return nil
}

// remove undoes add; it may be called twice.
func (t *clientTable) remove(conn net.Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.byConn[conn]
	if c == nil {
		return
	}
	delete(t.byConn, conn)
	t.perPractice.add(c.peer.Identity.Practice, -1)
	if t.perPeer[c.peer.Identity]--; t.perPeer[c.peer.Identity] == 0 {
		delete(t.perPeer, c.peer.Identity)
	}
}

func (t *clientTable) all() []*client {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]*client, 0, len(t.byConn))
	for _, c := range t.byConn {
		all = append(all, c)
	}
	return all
}

// peers returns who is here.
func (t *clientTable) peers() map[pki.Identity]bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	here := make(map[pki.Identity]bool, len(t.perPeer))
	for id := range t.perPeer {
		here[id] = true
	}
	return here
}

// roles counts the connections of each role.
func (t *clientTable) roles() map[pki.Role]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	roles := map[pki.Role]int{}
	for id, connections := range t.perPeer {
		roles[id.Role] += connections
	}
	return roles
}

type clientKey struct{}

// withClient fits http.Server.ConnContext: it lets handlers find the client of a request.
func (t *clientTable) withClient(ctx context.Context, conn net.Conn) context.Context {
	t.mu.Lock()
	defer t.mu.Unlock()
	return context.WithValue(ctx, clientKey{}, t.byConn[conn])
}

// connState fits http.Server.ConnState.
func (t *clientTable) connState(conn net.Conn, state http.ConnState) {
	if state == http.StateClosed {
		t.remove(conn)
	}
}
