package faults

import (
	"context"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestResolver(t *testing.T) {
	one, two := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("10.9.8.7")
	r, err := NewResolver("gw.lab.test", one, filepath.Join(t.TempDir(), "resolv.conf"))
	require.NoError(t, err)
	other, err := NewResolver("gw.lab.test", two, filepath.Join(t.TempDir(), "resolv.conf"))
	require.NoError(t, err, "there can be several")
	t.Cleanup(func() { require.NoError(t, other.Close()) })
	conf, err := os.ReadFile(r.Conf)
	require.NoError(t, err)
	server := strings.Fields(string(conf))[1]
	here := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort(server, "53"))
		if err == nil {
			context.AfterFunc(ctx, func() { conn.Close() })
		}
		return conn, err
	}}
	ask := func(name string) ([]string, error) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		before := r.Failures()
		go func() { // an unanswered lookup need not be waited for
			for ctx.Err() == nil && r.Failures() == before {
				time.Sleep(time.Millisecond)
			}
			cancel()
		}()
		return here.LookupHost(ctx, name)
	}
	got, err := ask("gw.lab.test")
	require.NoError(t, err)
	require.Equal(t, []string{one.String()}, got)
	_, err = ask("other.lab.test")
	require.ErrorContains(t, err, "no such host")

	r.Answer(two)
	got, err = ask("gw.lab.test")
	require.NoError(t, err)
	require.Equal(t, []string{two.String()}, got)

	for name, fail := range map[string]func(){"fails": func() { r.Answer(netip.Addr{}) }, "says nothing": r.Silence} {
		before := r.Failures()
		fail()
		_, err = ask("gw.lab.test")
		require.Error(t, err, name)
		require.Greater(t, r.Failures(), before, name)
	}
	require.NoError(t, r.Close())
	_, err = ask("gw.lab.test")
	require.Error(t, err)
}
