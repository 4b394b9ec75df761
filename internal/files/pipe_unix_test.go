//go:build unix

package files

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestReadRegularWaitsForNoPipe: who may change a directory could otherwise hang whoever reads from it.
func TestReadRegularWaitsForNoPipe(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	for _, file := range []string{pipe, filepath.Dir(pipe), "/dev/null"} {
		_, err := ReadRegular(file, 5)
		require.EqualError(t, err, file+": it is no regular file")
	}
}
