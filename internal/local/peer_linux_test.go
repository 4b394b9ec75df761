package local

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestC4PeerOf: a process is known by the kernel, at both ends; one that cannot be known has nobody's account.
func TestC4PeerOf(t *testing.T) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "s"), Net: "unix"})
	require.NoError(t, err)
	defer l.Close()
	near, err := net.DialUnix("unix", nil, l.Addr().(*net.UnixAddr))
	require.NoError(t, err)
	defer near.Close()
	far, err := l.AcceptUnix()
	require.NoError(t, err)
	for _, c := range []*net.UnixConn{near, far} {
		who, err := PeerOf(c)
		require.NoError(t, err)
		require.Equal(t, Peer{os.Getpid(), uint32(os.Getuid()), uint32(os.Getgid())}, who)
		require.Equal(t, fmt.Sprintf("pid %d uid %d", os.Getpid(), os.Getuid()), who.String())
	}
	require.NoError(t, far.Close())
	who, err := PeerOf(far)
	require.Error(t, err)
	require.NotZero(t, who.UID)
	require.Equal(t, "unknown", who.String())
}
