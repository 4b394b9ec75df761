package tcp

import (
	"context"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestC2MultipathTCPIsOffUnlessAskedFor: a peer that wants it gets plain TCP.
func TestC2MultipathTCPIsOffUnlessAskedFor(t *testing.T) {
	require.False(t, multipath(t, false))
	enabled, err := os.ReadFile("/proc/sys/net/mptcp/enabled")
	if err != nil || strings.TrimSpace(string(enabled)) != "1" {
		t.Skip("this kernel has no Multipath TCP, or has it turned off")
	}
	require.True(t, multipath(t, true))
}

// multipath reports whether a connection uses Multipath TCP whose client wants to.
func multipath(t *testing.T, listener bool) bool {
	l, err := Listen(t.Context(), "127.0.0.1:0", listener)
	require.NoError(t, err)
	defer l.Close()
	var d net.Dialer
	d.SetMultipathTCP(true)
	near, err := d.DialContext(context.Background(), "tcp", l.Addr().String())
	require.NoError(t, err)
	defer near.Close()
	far, err := l.Accept()
	require.NoError(t, err)
	defer far.Close()
	used, err := far.(*net.TCPConn).MultipathTCP()
	require.NoError(t, err)
	return used
}
