package sandbox

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEL2LevelsSayWhatTheyLack: an operator is told which parts of the sandbox a kernel does not have.
func TestEL2LevelsSayWhatTheyLack(t *testing.T) {
	for abi, want := range map[Level]string{
		0: "files, emptying files, TCP ports, control of devices, signals and abstract sockets",
		2: "emptying files, TCP ports, control of devices, signals and abstract sockets", // Debian 12
		6: "", 7: "", 12: "",
	} {
		require.Equal(t, want, abi.Lacks(), "ABI %d", abi)
		require.Equal(t, abi > 0, abi.Files())
	}
}

// TestEL2ResolverIsFoundWhereItIsReplaced: resolv.conf is replaced by a rename when the network changes; what counts is
// the directory.
func TestEL2ResolverIsFoundWhereItIsReplaced(t *testing.T) {
	dir := t.TempDir()
	plain, absolute, relative := filepath.Join(dir, "plain"), filepath.Join(dir, "absolute"),
		filepath.Join(dir, "relative")
	require.NoError(t, os.WriteFile(plain, nil, 0o600))
	require.NoError(t, os.Symlink("/run/systemd/resolve/stub-resolv.conf", absolute))
	require.NoError(t, os.Symlink("../run/NetworkManager/resolv.conf", relative))
	require.Empty(t, resolver(plain))
	require.Equal(t, []string{"/run/systemd/resolve"}, resolver(absolute))
	require.Equal(t, []string{filepath.Join(filepath.Dir(dir), "run/NetworkManager")}, resolver(relative))
}
