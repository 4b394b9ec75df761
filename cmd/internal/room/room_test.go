package room

import (
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLackingRoom(t *testing.T) {
	require.Empty(t, Lacking(""))
	require.Empty(t, Lacking("/nowhere/at/all/trace"))
	require.Empty(t, Lacking(filepath.Join(t.TempDir(), "trace")))
	if runtime.GOOS == "linux" {
		require.Contains(t, Lacking("/proc/trace"), "only 0 MiB are free where /proc/trace is")
	}
}
