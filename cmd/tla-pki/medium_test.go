package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// typed runs a command in a directory, and returns what it said.
func typed(t *testing.T, dir string, command ...string) (string, error) {
	t.Helper()
	c := exec.Command(command[0], command[1:]...)
	c.Dir = dir
	out, err := c.CombinedOutput()
	return string(out), err
}

func mustType(t *testing.T, dir string, command ...string) string {
	t.Helper()
	out, err := typed(t, dir, command...)
	require.NoError(t, err, "%v: %s", command, out)
	return out
}

// carry is what a ceremony writes to media, in a directory with a CA and below it one that is the medium.
func carry(t *testing.T, dir string, as ...string) {
	t.Helper()
	backup := append(as, "tla-pki", "backup", "-d", "ca", "--to", "medium/backup.age", "--recipient", "key.pub")
	mustType(t, dir, "tla-pki", "backup", "--new-key", "key")
	mustType(t, dir, backup...)
	mustType(t, dir, "tla-pki", "backup", "--verify", "medium/backup.age", "--identity", "key")
	out, err := typed(t, dir, backup...)
	require.Error(t, err)
	require.Contains(t, out, "file already exists")
	mustType(t, dir, append(as, "tla-pki", "crl", "-d", "ca", "-o", "medium/crl.der")...)
	mustType(t, dir, append(as, "tla-pki", "crl", "-d", "ca", "-o", "medium/crl.der")...)
	mustType(t, dir, "cmp", "ca/public/crl.der", "medium/crl.der")
}

func withCA(t *testing.T) (dir string) {
	dir = t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "medium"), 0o700))
	mustType(t, dir, "tla-pki", "init", "-d", "ca")
	return dir
}

func TestG2Medium(t *testing.T) {
	t.Parallel()
	dir := withCA(t)
	out := mustType(t, dir, "tla-pki", "medium", "medium", "ca")
	require.Equal(t, 2, strings.Count(out, "it keeps a key from other users"))
	require.NotContains(t, out, "NO ")
	out, err := typed(t, dir, "tla-pki", "medium", "none", "medium")
	require.Error(t, err)
	require.Contains(t, out, "cannot use the medium none")
	require.Contains(t, out, "it keeps a key from other users", "the others are tried all the same")
	left, err := os.ReadDir(filepath.Join(dir, "medium"))
	require.NoError(t, err)
	require.Empty(t, left)
}

// TestG2MediumWithoutLinks: the real program, whose every link(2) fails as it does on FAT.
func TestG2MediumWithoutLinks(t *testing.T) {
	t.Parallel()
	dir := withCA(t)
	strace := []string{"strace", "-f", "-qq", "-o", filepath.Join(dir, "calls"), "-e", "trace=?link,linkat",
		"-e", "inject=?link,linkat:error=EPERM"}
	if out, err := typed(t, dir, append(strace, "true")...); err != nil {
		t.Skipf("strace (Debian: strace) cannot be used here: %v %s", err, out)
	}
	out := mustType(t, dir, append(strace, "tla-pki", "medium", "medium")...)
	require.Contains(t, out, "it has no hard links (operation not permitted)")
	carry(t, dir, strace...)
	newKey := append(strace, "tla-pki", "backup", "--new-key", "medium/key")
	mustType(t, dir, newKey...)
	require.Contains(t, read(t, filepath.Join(dir, "calls")), "(INJECTED)", "or nothing is shown here")
	before := read(t, filepath.Join(dir, "medium/key"))
	out, err := typed(t, dir, newKey...)
	require.Error(t, err)
	require.Contains(t, out, "file already exists")
	require.Equal(t, before, read(t, filepath.Join(dir, "medium/key")))
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	return string(text)
}

// TestG2MediumExFAT: a real one, as a shop sells it. What is not secret in clear is carried on it; a key only when it
// is mounted for its user alone.
func TestG2MediumExFAT(t *testing.T) {
	dir := withCA(t)
	device := exFAT(t, dir)
	t.Run("as it is mounted by itself", func(t *testing.T) {
		mount(t, dir, device)
		out, err := typed(t, dir, "tla-pki", "medium", "medium")
		require.Error(t, err)
		require.Contains(t, out, "NO      it keeps no key from other users: mode 0777: others could read it")
		require.Contains(t, out, "it has no hard links")
		require.Contains(t, mustType(t, dir, "tla-pki", "medium", "--carry", "medium"), "WARNING it keeps no key")
		carry(t, dir)
		for _, secret := range [][]string{
			{"tla-pki", "backup", "--new-key", "medium/key"},
			{"tla-pki", "init", "-d", "medium/ca"},
			{"tla-pki", "restore", "--from", "medium/backup.age", "-d", "medium/ca", "--identity",
				"key", "--accept-loss"},
			{"tla-pki", "issue", "-d", "ca", "-p", "tla", "-i", "urn:tlagate:cab1:tla:t1", "--new-key", "-o",
				"medium/t1"},
			{"tla-pki", "invite", "-d", "ca", "--csv", "fleet.csv", "-o", "medium/codes.csv"},
		} {
			out, err := typed(t, dir, secret...)
			require.Error(t, err, secret)
			require.Contains(t, out, "others could read it", secret)
		}
		left, err := os.ReadDir(filepath.Join(dir, "medium"))
		require.NoError(t, err)
		require.Len(t, left, 2, "backup and list, and nothing of a secret: %v", left)
		require.NotContains(t, mustType(t, dir, "tla-pki", "invitations", "-d", "ca", "--all"), "cab1",
			"nobody was invited")
		require.NotContains(t, mustType(t, dir, "tla-pki", "list", "-d", "ca"), "cab1", "and nothing issued")
	})
	t.Run("for its user alone", func(t *testing.T) {
		mount(t, dir, device, "-o", "umask=077")
		require.NoError(t, os.Remove(filepath.Join(dir, "medium/backup.age")))
		require.Contains(t, mustType(t, dir, "tla-pki", "medium", "medium"), "it keeps a key from other users")
		require.NoError(t, os.Remove(filepath.Join(dir, "key")))
		require.NoError(t, os.Remove(filepath.Join(dir, "key.pub")))
		carry(t, dir)
		mustType(t, dir, "cp", "-a", "ca/root/.", "medium/")
		mustType(t, dir, "rm", "-r", "ca/root")
		mustType(t, dir, "tla-pki", "crl", "--arl", "-d", "ca", "--root", "medium")
	})
}

// exFAT makes a block device with that file system, and the file of a fleet.
func exFAT(t *testing.T, dir string) (device string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root mounts exFAT")
	}
	path := os.Getenv("PATH") + ":/usr/sbin:/sbin"
	t.Setenv("PATH", path)
	mustType(t, dir, "truncate", "-s", "16M", "stick")
	for _, tool := range []string{"mkfs.exfat", "mount.exfat-fuse", "losetup"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not here (Debian: exfatprogs, exfat-fuse, mount)", tool)
		}
	}
	mustType(t, dir, "mkfs.exfat", "stick")
	out, err := typed(t, dir, "losetup", "--find", "--show", "stick")
	if err != nil {
		t.Skipf("there are no loop devices here: %s", out)
	}
	device = strings.TrimSpace(out)
	t.Cleanup(func() { mustType(t, dir, "losetup", "--detach", device) })
	require.NoError(t, os.WriteFile(filepath.Join(dir, "fleet.csv"), []byte("role,practice,name,dns\ntla,cab1,t2,\n"),
		0o600))
	return device
}

func mount(t *testing.T, dir, device string, options ...string) {
	t.Helper()
	out, err := typed(t, dir, append([]string{"mount.exfat-fuse"}, append(options, device, "medium")...)...)
	if err != nil {
		t.Skipf("FUSE cannot be used here: %v %s", err, out)
	}
	t.Cleanup(func() { mustType(t, dir, "umount", "medium") })
}
