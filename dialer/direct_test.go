package dialer

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// network has addresses that behave as their list says; all others are silent.
type network struct {
	good, refusing, late []string

	mu    sync.Mutex // protects the rest
	tried []string
	open  int // connections that nobody has closed
}

var errRefused = errors.New("refused")

// dial connects to an address.
func (n *network) dial(ctx context.Context, _, address string) (net.Conn, error) {
	host, _, _ := net.SplitHostPort(address)
	n.mu.Lock()
	n.tried = append(n.tried, host)
	n.mu.Unlock()
	switch {
	case slices.Contains(n.good, host):
		return n.connection(), nil
	case slices.Contains(n.refusing, host):
		return nil, errRefused
	}
	<-ctx.Done()
	if slices.Contains(n.late, host) { // it answered at the moment at which it lost
		return n.connection(), nil
	}
	return nil, context.Cause(ctx)
}

func (n *network) connection() net.Conn {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.open++
	return counted{n: n}
}

type counted struct {
	net.Conn
	n *network
}

func (c counted) Close() error {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	c.n.open--
	return nil
}

// names returns a lookup that finds these addresses.
func names(list ...string) func(context.Context, string, string) ([]netip.Addr, error) {
	return func(context.Context, string, string) (found []netip.Addr, err error) {
		for _, a := range list {
			found = append(found, netip.MustParseAddr(a))
		}
		return found, nil
	}
}

// dialled connects to a name within 5 s of the bubble's time, and returns how long it took.
func dialled(t *testing.T, n *network, list ...string) (net.Conn, time.Duration, error) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 5*time.Second)
	defer stop()
	began := time.Now()
	conn, err := direct{names(list...), n.dial}.dial(ctx, "tcp", "gw.test:443")
	took := time.Since(began)
	synctest.Wait()
	return conn, took, err
}

// TestC3SilentAddressesBeforeAGoodOne: each silent address costs its head start and no more, whatever its family.
func TestC3SilentAddressesBeforeAGoodOne(t *testing.T) {
	for name, list := range map[string][]string{
		"IPv4": {"192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5", "192.0.2.6", "192.0.2.9"},
		"IPv6": {"2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8::4", "2001:db8::5",
			"2001:db8::6", "2001:db8::9"},
		"both": {"2001:db8::1", "2001:db8::2", "2001:db8::3", "192.0.2.1", "192.0.2.2", "2001:db8::4", "192.0.2.9"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := &network{good: list[6:], late: list[:1]}
				conn, took, err := dialled(t, n, list...)
				require.NoError(t, err)
				require.LessOrEqual(t, took, 6*delay)
				require.Equal(t, 1, n.open, "the one that came too late is closed")
				conn.Close()
				require.Zero(t, n.open)
			})
		})
	}
}

// TestC3FamiliesTakeTurns: and an address that refuses costs no time.
func TestC3FamiliesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{good: []string{"192.0.2.2"}, refusing: []string{"2001:db8::1", "192.0.2.1", "2001:db8::2"}}
		_, took, err := dialled(t, n, "2001:db8::1", "2001:db8::2", "2001:db8::3", "::ffff:192.0.2.1", "192.0.2.2")
		require.NoError(t, err)
		require.Zero(t, took)
		require.Equal(t, []string{"2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2"}, n.tried)
	})
}

func TestNoAddressAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		n     *network
		wants error
		took  time.Duration
	}{
		"all refuse":            {&network{refusing: []string{"192.0.2.1", "192.0.2.2"}}, errRefused, 0},
		"all are silent":        {new(network), context.DeadlineExceeded, 5 * time.Second},
		"the first one refuses": {&network{refusing: []string{"192.0.2.1"}}, errRefused, 5 * time.Second},
		"the second one does":   {&network{refusing: []string{"192.0.2.2"}}, context.DeadlineExceeded, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, took, err := dialled(t, c.n, "192.0.2.1", "192.0.2.2")
				require.ErrorIs(t, err, c.wants)
				require.Equal(t, c.took, took)
			})
		})
	}
}

// TestManyAddresses: a hostile name does not make us dial without end.
func TestManyAddresses(t *testing.T) {
	var list, all []string
	for i := range 300 {
		a := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}).String()
		list, all = append(list, a), append(all, a)
	}
	n := &network{refusing: all}
	_, err := direct{names(list...), n.dial}.dial(t.Context(), "tcp", "gw.test:443")
	require.ErrorIs(t, err, errRefused)
	require.Len(t, n.tried, maxAddresses)
}

func TestNameThatIsNotFound(t *testing.T) {
	lookup := func(context.Context, string, string) ([]netip.Addr, error) {
		return nil, &net.DNSError{Err: "no such host", Name: "gw.test", IsNotFound: true}
	}
	var dns *net.DNSError
	for _, l := range []func(context.Context, string, string) ([]netip.Addr, error){lookup, names()} {
		_, err := direct{l, new(network).dial}.dial(t.Context(), "tcp", "gw.test:443")
		require.ErrorAs(t, err, &dns)
		require.ErrorContains(t, err, "dial tcp: lookup gw.test")
	}
}
