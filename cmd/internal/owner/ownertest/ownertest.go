//go:build unix

// Package ownertest has what tests of root's commands share: files that are somebody else's.
package ownertest

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// NeedsRoot skips a test unless root of the machine runs it: the files of a user namespace's root are not root's.
func NeedsRoot(t testing.TB) {
	t.Helper()
	uids, err := os.ReadFile("/proc/self/uid_map")
	require.NoError(t, err)
	if os.Geteuid() != 0 || !strings.Contains(string(uids), "4294967295") {
		t.Skip("only root of the machine leaves files to root")
	}
}

// Ground returns a directory of root's through which everybody may pass.
func Ground(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for d := dir; d != os.TempDir(); d = filepath.Dir(d) {
		require.NoError(t, os.Chmod(d, 0o755))
	}
	return dir
}

// Dir makes a directory, and those above it, and makes an account its owner.
func Dir(t testing.TB, dir string, mode os.FileMode, uid int) string {
	t.Helper()
	require.NoError(t, os.MkdirAll(dir, mode))
	require.NoError(t, os.Chown(dir, uid, uid))
	return dir
}

// Of returns the account that owns a file; a link is not followed.
func Of(t testing.TB, file string) int {
	t.Helper()
	info, err := os.Lstat(file)
	require.NoError(t, err)
	return int(info.Sys().(*syscall.Stat_t).Uid)
}
