package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/cmd/internal/owner/ownertest"
)

// TestG2RootKeepsTheBooksTheirOwners: what root does to a CA, its account's service can go on with.
func TestG2RootKeepsTheBooksTheirOwners(t *testing.T) {
	ownertest.NeedsRoot(t)
	const account = 12347
	dir := ownertest.Ground(t)
	state := ownertest.Dir(t, filepath.Join(dir, "state"), 0o755, account)
	ca := filepath.Join(state, "ca")
	asRoot := func(args ...string) (string, error) {
		c := exec.Command("tla-pki", args...)
		c.Env = append(os.Environ(), "SUDO_USER=alice")
		out, err := c.CombinedOutput()
		return string(out), err
	}
	for _, args := range [][]string{
		{"init", "-d", ca},
		{"issue", "-d", ca, "-p", "tla", "-i", "urn:tlagate:cab1:tla:t1", "--new-key", "-o", filepath.Join(state, "t1")},
		{"revoke", "-d", ca, "--identity", "urn:tlagate:cab1:tla:t1", "--reason", "superseded"},
		{"invite", "-d", ca, "-r", "tla", "-p", "cab1", "-n", "t2"},
		{"list", "-d", ca},
	} {
		out, err := asRoot(args...)
		require.NoError(t, err, "%v: %s", args, out)
	}
	require.NoError(t, filepath.WalkDir(state, func(file string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		require.Equal(t, account, ownertest.Of(t, file), file)
		return nil
	}))
	out, err := asRoot("invitations", "-d", ca, "--all")
	require.NoError(t, err, out)
	require.Contains(t, out, "alice as ", "sudo's caller stays in the books")

	out, err = asRoot("issue", "-d", ca, "-p", "tla", "-i", "urn:tlagate:cab1:tla:t3", "--new-key", "-o", filepath.Join(dir, "t3"))
	require.Error(t, err)
	require.Contains(t, out, "run this as an account that may write to both")
	out, err = asRoot("list", "-d", ca)
	require.NoError(t, err, out)
	require.NotContains(t, out, "tla:t3", "it is refused before anything is issued")
}
