package faults

import (
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestResolver(t *testing.T) {
	one, two := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("10.9.8.7")
	r, err := NewResolver("gw.lab.test", one)
	require.NoError(t, err)
	ask := func(name string) ([]string, error) {
		return (&net.Resolver{PreferGo: true}).LookupHost(t.Context(), name)
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
