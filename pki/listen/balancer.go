package listen

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"tlagate/internal/proxyproto"
)

// This file is about connections that a load balancer passes on. Each begins with a PROXY header, which says whose it
// is; from then on it is that one's, for limits, log and trace.

// ErrNoHeader: a balancer's connection did not begin with a PROXY header that can be read, or not in time.
var ErrNoHeader = errors.New("no PROXY header from a balancer")

// hall is how many connections of balancers may be without their header at once: it comes with the first octets.
const hall = 1024

// whose returns a connection as that of the peer behind the balancer; one that comes from elsewhere is not read, and
// returned as it is. On error the connection is closed.
func (l *Listener) whose(c net.Conn) (net.Conn, error) {
	if !l.fromBalancer(c) {
		return c, nil
	}
	guest := l.hall.Enter(c)
	stop := context.AfterFunc(l.ctx, func() { _ = c.Close() })
	defer stop()
	h, err := header(guest)
	if err != nil {
		_ = guest.Close()
		return nil, outcome(guest, fmt.Errorf("%w: %w", ErrNoHeader, err))
	}
	guest.Leave()
	if h.Local {
		return c, nil
	}
	return &balanced{c, net.TCPAddrFromAddrPort(h.From)}, nil
}

// header reads the header, all of it within the time that there is for a connection's first octets.
func header(c net.Conn) (h proxyproto.Header, err error) {
	if err = c.SetReadDeadline(time.Now().Add(silentTime)); err != nil {
		return h, err
	}
	if h, err = proxyproto.Read(c); err != nil {
		return h, err
	}
	return h, c.SetReadDeadline(time.Time{})
}

func (l *Listener) fromBalancer(c net.Conn) bool {
	at, err := netip.ParseAddrPort(c.RemoteAddr().String())
	return err == nil && slices.ContainsFunc(l.cfg.Balancers, func(p netip.Prefix) bool {
		return p.Contains(at.Addr().Unmap().WithZone(""))
	})
}

// balanced is a connection that a balancer passes on.
type balanced struct {
	net.Conn
	from net.Addr
}

// RemoteAddr returns the address of the peer behind the balancer.
func (b *balanced) RemoteAddr() net.Addr { return b.from }

// CloseWrite ends our direction, if the connection beneath can do so.
func (b *balanced) CloseWrite() error { return closeWrite(b.Conn) }

func closeWrite(c net.Conn) error {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}
