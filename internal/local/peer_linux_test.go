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
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
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
	who, err := Listener(path)
	require.NoError(t, err)
	require.Equal(t, os.Getpid(), who.PID)
	require.NoError(t, far.Close())
	who, err = PeerOf(far)
	require.Error(t, err)
	require.NotZero(t, who.UID)
	require.Equal(t, "unknown", who.String())
	who, err = Listener(path + "s")
	require.Error(t, err)
	require.Equal(t, "unknown", who.String())
}
