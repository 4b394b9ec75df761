package control

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestC4ActsAreForAPersonAtTheMachine: all commands but stop and status are, unknown ones too.
func TestC4ActsAreForAPersonAtTheMachine(t *testing.T) {
	var handled, asked atomic.Int32
	away := true
	socket := serve(t, Config{
		Handle: func(_ context.Context, _ string, asked Request) any {
			handled.Add(1)
			return echo{Version, asked.Command, ""}
		},
		Local: func(_ context.Context, pid int) error {
			asked.Add(1)
			require.Equal(t, os.Getpid(), pid)
			if away {
				return errors.New("far away")
			}
			return nil
		},
	})
	for _, act := range []string{"start", "stay", "check", CommandPIN, CommandPINLastTry, "whatever"} {
		var f *Fault
		require.ErrorAs(t, Ask(t.Context(), socket, act, new(echo)), &f, act)
		require.Equal(t, &Fault{FaultNotLocal, "far away"}, f)
	}
	require.Zero(t, handled.Load())
	before := asked.Load()
	for _, command := range []string{"stop", "status"} {
		require.NoError(t, Ask(t.Context(), socket, command, new(echo)))
	}
	require.Equal(t, before, asked.Load(), "nobody is asked about those")
	away = false
	require.NoError(t, Ask(t.Context(), socket, "start", new(echo)))
	require.EqualValues(t, 3, handled.Load())
}

// TestC4ThePersonOfAnEndedProcessDoesNotCount: its number may belong to another process by the time that logind is
// asked about it.
func TestC4ThePersonOfAnEndedProcessDoesNotCount(t *testing.T) {
	child := exec.Command("sleep", "60")
	require.NoError(t, child.Start())
	fd, err := unix.PidfdOpen(child.Process.Pid, 0)
	require.NoError(t, err)
	p := &process{pid: child.Process.Pid, fd: os.NewFile(uintptr(fd), "pidfd")}
	defer p.close()
	ended := &Server{cfg: Config{Local: func(context.Context, int) error {
		require.NoError(t, child.Process.Kill())
		_ = child.Wait()
		return nil // the answer is about the process that has the number now
	}}}
	require.NoError(t, p.running())
	require.Equal(t, FaultNotLocal, ended.person(t.Context(), p, "start").Code)
	require.ErrorContains(t, p.running(), "has ended")
}

// TestC4TheProcessOfAClientIsHeld: a client of whose process there is no handle is refused.
func TestC4TheProcessOfAClientIsHeld(t *testing.T) {
	c, _ := unixPair(t)
	p := processOf(c, os.Getpid())
	defer p.close()
	require.NoError(t, p.failed)
	require.NoError(t, p.running())
	s := &Server{cfg: Config{Local: func(context.Context, int) error { return nil }}}
	require.Nil(t, s.person(t.Context(), p, "start"))
	require.Equal(t, FaultNotLocal, s.person(t.Context(), processOf(c, 0), "start").Code,
		"a process of another namespace")
}

// unixPair returns the ends of a connection.
func unixPair(t *testing.T) (one, other *net.UnixConn) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	require.NoError(t, err)
	return unixEnd(t, pair[0]), unixEnd(t, pair[1])
}

func unixEnd(t *testing.T, fd int) *net.UnixConn {
	t.Helper()
	f := os.NewFile(uintptr(fd), "")
	defer f.Close()
	c, err := net.FileConn(f)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c.(*net.UnixConn)
}
