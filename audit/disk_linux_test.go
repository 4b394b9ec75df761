package audit_test

import (
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// onDisk returns how many octets of the disk a file has.
func onDisk(t *testing.T, file string) int64 {
	info, err := os.Stat(file)
	require.NoError(t, err)
	return info.Sys().(*syscall.Stat_t).Blocks * 512
}
