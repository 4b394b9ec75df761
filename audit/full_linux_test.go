package audit_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"tlagate/audit"
)

// fullEnv names the variable that says where a child may mount a disk of its own.
const fullEnv = "AUDIT_TEST_FULL"

// TestSA2FullDisk: somebody else fills the disk to the last octet. No session begins; the ends of those that run are
// recorded, more than fit into a file; a flood of refusals changes nothing. When there is room again, all goes on.
//
// Fault: a disk is full.
func TestSA2FullDisk(t *testing.T) {
	if dir := os.Getenv(fullEnv); dir != "" {
		require.NoError(t, unix.Mount("none", dir, "tmpfs", 0, "size=8m"))
		onAFullDisk(t, dir)
		return
	}
	child := exec.Command(os.Args[0], "-test.run=^TestSA2FullDisk$", "-test.v")
	child.Env = append(os.Environ(), fullEnv+"="+t.TempDir())
	child.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}}
	out, err := child.CombinedOutput()
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) {
		t.Skipf("no user namespace here: %v", err)
	}
	require.NoError(t, err, "%s", out)
}

func onAFullDisk(t *testing.T, dir string) {
	file := filepath.Join(dir, "trace", "audit.jsonl")
	l := newLog(t, file, func(c *audit.Config) { c.Reserve, c.MaxSize = 1<<20, 200_000 })
	record(t, l, 10)
	fill := filepath.Join(dir, "fill")
	fillUp(t, fill)
	opened := untilFull(t, l, audit.SessionOpened)
	require.Less(t, opened, 2000, "no more than there was beside the reserve")
	for range 2000 {
		require.NoError(t, l.Record(audit.SessionEnded))
	}
	fillUp(t, fill+"2")
	for i := range 1000 {
		refused(l, i, "expired")
	}
	l.Later(audit.SessionResumed)
	require.NoError(t, l.Record(audit.LinkCut))
	require.ErrorIs(t, l.Record(audit.SessionOpened), audit.ErrFull)
	require.Equal(t, 1, good(t, file).Files, "no file is begun without its reserve")
	require.NoError(t, errors.Join(os.Remove(fill), os.Remove(fill+"2")))
	for range 10 {
		require.NoError(t, l.Record(audit.SessionOpened))
	}
	require.NoError(t, l.Close())
	r := good(t, file)
	require.GreaterOrEqual(t, r.Lines, 10+opened+2000+2+10)
	require.Equal(t, 2, r.Files)
	require.True(t, l.Stats().Reserve)
	require.Empty(t, r.Recovered)
}

// fillUp writes until nothing fits any more.
func fillUp(t *testing.T, name string) {
	f, err := os.Create(name)
	require.NoError(t, err)
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	require.ErrorIs(t, err, syscall.ENOSPC)
}

// untilFull records until there is no room, and returns how often it could.
func untilFull(t *testing.T, l *audit.Log, kind audit.Kind) (n int) {
	for {
		err := l.Record(kind)
		if err != nil {
			require.ErrorIs(t, err, audit.ErrFull, fmt.Sprint(n))
			return n
		}
		n++
	}
}
