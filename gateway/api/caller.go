package api

import (
	"context"
	"net"
	"net/http"
	"time"

	"tlagate/audit/peers"
	"tlagate/gateway"
	"tlagate/internal/acts"
	"tlagate/internal/local"
	"tlagate/pki"
	"tlagate/pki/listen"
	"tlagate/pki/trust"
)

// HeaderBreakGlass is the header by which root on the Unix socket does what nobody else can do there; its value is why.
const HeaderBreakGlass = "Tlagate-Break-Glass"

// BreakGlass is who acts then, in the trace, and its role.
const (
	BreakGlass     = "root (break-glass)"
	breakGlassRole = "break-glass"
)

// caller is who asks: a proven peer, or whoever connected to the Unix socket.
type caller struct {
	peer  *trust.Peer // nil = over the Unix socket
	root  bool        // on the Unix socket: its process is root's
	glass string      // why root breaks the glass; "" = it does not
	from  string      // address, or "socket"
	roles []Role
}

type callerKey struct{}

// withCaller lets requests find who is at the other end of their connection, and records that an administrator is.
func (s *Server) withCaller(ctx context.Context, c net.Conn) context.Context {
	if guest, ok := c.(*listen.Guest); ok {
		c = guest.Conn
	}
	switch c := c.(type) {
	case *listen.Conn:
		from := peers.AddressOf(remoteOf(c))
		s.peers.Accepted(c.Peer, remoteOf(c))
		return context.WithValue(ctx, callerKey{}, &caller{peer: c.Peer, from: from})
	case *net.UnixConn:
		who, err := local.PeerOf(c)
		return context.WithValue(ctx, callerKey{}, &caller{root: err == nil && who.UID == 0, from: "socket"})
	}
	return ctx
}

// identify returns who sends a request, with their roles at this moment. A proven peer is checked again.
func (s *Server) identify(r *http.Request) (*caller, *Problem) {
	known, _ := r.Context().Value(callerKey{}).(*caller)
	if known == nil {
		return nil, &Problem{Code: Unproven, Detail: "Who asks is not known."}
	}
	c := *known
	if c.peer == nil {
		c.roles = []Role{Read}
		return &c, c.breakGlass(r.Header.Values(HeaderBreakGlass))
	}
	if err := s.cfg.Party.Trust.Recheck(c.peer); err != nil {
		return nil, &Problem{Code: Unproven, Detail: "The certificate no longer passes: " +
			string(pki.ReasonOf(err)) + "."}
	}
	if s.cfg.Gateway.Denies(c.peer.Identity) {
		return nil, &Problem{Code: Unproven, Detail: "An operator denies this certificate."}
	}
	if c.peer.Identity.Role != pki.RoleAdmin {
		return nil, &Problem{Code: Forbidden, Detail: "The certificate is none of role admin."}
	}
	c.roles = rolesOf(*s.admins.Load(), c.peer.Identity)
	return &c, nil
}

// breakGlass has root on the socket do what it wants, for a reason.
func (c *caller) breakGlass(reasons []string) *Problem {
	switch {
	case len(reasons) == 0:
		return nil
	case !c.root:
		return &Problem{Code: Forbidden, Detail: "Only root can break the glass.",
			Action: "Use a certificate of role admin."}
	case len(reasons) > 1 || !sensible(reasons[0]):
		return &Problem{Code: BadRequest, Detail: "To break the glass takes a reason, of at most 300 octets.",
			Action: "Say why."}
	}
	c.glass, c.roles = reasons[0], Roles
	return nil
}

// sensible reports whether a reason can be recorded.
func sensible(reason string) bool { return len(reason) <= maxReason && acts.Sensible(reason) }

const maxReason = 300 // octets

// name returns who the caller is, as the trace has it.
func (c *caller) name() string {
	switch {
	case c.glass != "":
		return BreakGlass
	case c.peer == nil:
		return "socket"
	}
	return c.peer.Identity.String()
}

// role returns by which role the caller may perform an action; "" = they may not.
func (c *caller) role(a Action) Role {
	if c.glass != "" {
		return breakGlassRole
	}
	if a == Introduce {
		return Read
	}
	return permits(c.roles, a)
}

// act returns the caller as the gateway wants it.
func (c *caller) act(a Action, reason string) gateway.Act {
	if c.glass != "" {
		reason = c.glass
	}
	return gateway.Act{Who: c.name(), Role: string(c.role(a)), Reason: reason, From: c.from}
}

// until returns when the caller's certificate ends; zero = they have none.
func (c *caller) until() (t time.Time) {
	if c.peer != nil {
		t = c.peer.NotAfter.UTC()
	}
	return t
}
