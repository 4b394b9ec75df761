package memory

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestEL3MemoryIsClosed: prctl(2), PR_GET_DUMPABLE.
func TestEL3MemoryIsClosed(t *testing.T) {
	dumpable := func() uintptr {
		n, _, errno := unix.Syscall(unix.SYS_PRCTL, unix.PR_GET_DUMPABLE, 0, 0)
		require.Zero(t, errno)
		return n
	}
	require.EqualValues(t, 1, dumpable())
	Close()
	require.Zero(t, dumpable())
	require.NoError(t, unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0))
}
