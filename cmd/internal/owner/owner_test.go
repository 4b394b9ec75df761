//go:build linux

package owner

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"tlagate/cmd/internal/owner/ownertest"
)

// writeEnv makes the test's binary become the owner of a file, and write to it.
const writeEnv = "TLAGATE_OWNER_TEST_FILE"

func TestMain(m *testing.M) {
	if file := os.Getenv(writeEnv); file != "" {
		os.Exit(write(file))
	}
	os.Exit(m.Run())
}

func write(file string) int {
	err := Plan{Config: os.Getenv(writeEnv + "_CONFIG"), Written: []string{file}}.Become()
	if err == nil {
		err = os.WriteFile(file, []byte("written"), 0o600)
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Print("uid ", os.Getuid())
	return 0
}

// them is the account that owns a directory in which root is made to write.
const them = 12345

// ground returns a directory of root's through which everybody may pass.
func ground(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root becomes somebody else")
	}
	if !mapped(them) {
		t.Skip("this user namespace has no other accounts")
	}
	return ownertest.Ground(t)
}

func theirs(t *testing.T, dir string) string { return ownertest.Dir(t, dir, 0o700, them) }

// writes has root write a file, and returns what it printed.
func writes(t *testing.T, file string, env ...string) (out string, ok bool) {
	t.Helper()
	me, err := os.Executable()
	require.NoError(t, err)
	c := exec.Command(me)
	c.Env = append(os.Environ(), append(env, writeEnv+"="+file)...)
	text, err := c.CombinedOutput()
	return string(text), err == nil
}

func TestEL1WhatRootWritesIsTheOwners(t *testing.T) {
	dir := ground(t)
	file := filepath.Join(theirs(t, filepath.Join(dir, "state")), "trace")
	out, ok := writes(t, file)
	require.True(t, ok, out)
	require.Equal(t, fmt.Sprint("uid ", them), out)
	require.Equal(t, them, ownertest.Of(t, file))

	mine := filepath.Join(dir, "trace")
	out, ok = writes(t, mine)
	require.True(t, ok, out)
	require.Equal(t, "uid 0", out)
	require.Zero(t, ownertest.Of(t, mine))
}

// TestEL1NoOwnerHasRootWriteElsewhere: the owner of a state directory may put anything there.
func TestEL1NoOwnerHasRootWriteElsewhere(t *testing.T) {
	dir := ground(t)
	precious := filepath.Join(dir, "precious")
	require.NoError(t, os.Mkdir(precious, 0o755))
	file := filepath.Join(precious, "file")
	require.NoError(t, os.WriteFile(file, []byte("mine"), 0o600))
	state := theirs(t, filepath.Join(dir, "state"))
	for name, lay := range map[string]struct {
		lay   func(string) error
		write string
	}{
		"a link in the file's place":         {func(at string) error { return os.Symlink(file, at) }, ""},
		"a link to a file that is not there": {func(at string) error { return os.Symlink(precious+"/new", at) }, ""},
		"a link in the directory's place":    {func(at string) error { return os.Symlink(precious, at) }, "/file"},
		"a link to a directory, and up again": {func(at string) error { return os.Symlink(precious+"/..", at) },
			"/precious/file"},
		"a link through a link": {func(at string) error { return os.Symlink("../state/precious", at) },
			"/file"},
		"a hard link": {func(at string) error { return os.Link(file, at) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			at := filepath.Join(state, strings.ReplaceAll(name, " ", "-"))
			_ = os.Symlink(precious, filepath.Join(state, "precious")) // there after the first
			require.NoError(t, lay.lay(at))
			out, ok := writes(t, at+lay.write)
			require.False(t, ok, out)
			require.Contains(t, out, "permission denied")
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, "mine", string(text))
			require.NoFileExists(t, precious+"/new")
		})
	}
}

// TestEL1OwnersConfiguration: the owner of the configuration could have named any file in it.
func TestEL1OwnersConfiguration(t *testing.T) {
	dir := ground(t)
	config := filepath.Join(theirs(t, filepath.Join(dir, "etc")), "relay.yaml")
	out, ok := writes(t, filepath.Join(dir, "trace"), writeEnv+"_CONFIG="+config)
	require.False(t, ok, out)
	require.Contains(t, out, "run this as an account that may write to both")
	require.NoFileExists(t, filepath.Join(dir, "trace"))
}

func TestEL1TwoOwnersAreRefused(t *testing.T) {
	dir := ground(t)
	one, other := theirs(t, filepath.Join(dir, "one")), filepath.Join(dir, "other")
	require.NoError(t, os.Mkdir(other, 0o700))
	require.NoError(t, os.Chown(other, them+1, them+1))
	err := Plan{Written: []string{one + "/a", other + "/b"}}.Become()
	require.ErrorContains(t, err, "cannot run as root: ")
	require.Zero(t, os.Geteuid())
}

func TestEL1EndlessLinks(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Symlink("loop", filepath.Join(dir, "loop")))
	_, err := along(filepath.Join(dir, "loop", "file"))
	if os.Geteuid() == 0 {
		require.ErrorContains(t, err, "too many links")
	}
	require.NoError(t, unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600))
	who, err := along(filepath.Join(dir, "fifo"))
	require.NoError(t, err)
	require.Equal(t, os.Geteuid() == 0, who == nil)
}
