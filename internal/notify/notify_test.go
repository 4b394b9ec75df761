package notify

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 3 * time.Minute

// systemd is the receiving end.
type systemd struct {
	t    *testing.T
	conn *net.UnixConn
}

func listen(t *testing.T, name string) *systemd {
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return &systemd{t, conn}
}

func (s *systemd) next() string {
	s.t.Helper()
	require.NoError(s.t, s.conn.SetReadDeadline(time.Now().Add(patience)))
	return s.read()
}

func (s *systemd) read() string {
	s.t.Helper()
	buf := make([]byte, 100)
	n, err := s.conn.Read(buf)
	require.NoError(s.t, err)
	return string(buf[:n])
}

// silent asserts that nothing is said for a while, which is all that can be seen of a program that hangs.
func (s *systemd) silent(d time.Duration) {
	s.t.Helper()
	require.NoError(s.t, s.conn.SetReadDeadline(time.Now().Add(d)))
	n, err := s.conn.Read(make([]byte, 100))
	require.ErrorIs(s.t, err, os.ErrDeadlineExceeded, "%d octets", n)
}

func env(pairs map[string]string) func(string) string {
	return func(name string) string { return pairs[name] }
}

func open(t *testing.T, pairs map[string]string) *Manager {
	m, err := Open(env(pairs))
	require.NoError(t, err)
	t.Cleanup(func() { m.conn.Close() })
	return m
}

func watch(t *testing.T, m *Manager, alive func()) {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.Watch(ctx, alive, func(err error) { t.Error(err) })
	}()
	t.Cleanup(func() { stop(); <-done })
}

// TestLifeOfAProgram: on a socket of the file system, and on an abstract one.
func TestLifeOfAProgram(t *testing.T) {
	file, abstract := filepath.Join(t.TempDir(), "notify"), fmt.Sprintf("@tlagate-notify-%d", os.Getpid())
	for _, name := range []string{file, abstract} {
		s := listen(t, name)
		m := open(t, map[string]string{"NOTIFY_SOCKET": name})
		require.NoError(t, m.Reload(func() {}), "before it serves, nothing is said")
		served := make(chan struct{})
		watch(t, m, func() { <-served })
		s.silent(20 * time.Millisecond)
		close(served)
		require.Equal(t, "READY=1", s.next())
		require.NoError(t, m.Reload(func() { require.Equal(t, "RELOADING=1", s.next()) }))
		require.Equal(t, "READY=1", s.next())
		require.NoError(t, m.Stop())
		require.Equal(t, "STOPPING=1", s.next())
		require.NoError(t, m.Stop())
		require.NoError(t, m.Reload(func() {}))
		require.NoError(t, m.enter(serving, "READY=1"))
		s.silent(20 * time.Millisecond)
	}
}

// TestNothingIsSaidOfAProgramThatHangs: nor is it said again before it answers.
func TestNothingIsSaidOfAProgramThatHangs(t *testing.T) {
	name := filepath.Join(t.TempDir(), "notify")
	s := listen(t, name)
	m := open(t, map[string]string{"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "60000",
		"WATCHDOG_PID": strconv.Itoa(os.Getpid())})
	require.Equal(t, 20*time.Millisecond, m.every)
	answers := make(chan struct{})
	watch(t, m, func() { <-answers })
	t.Cleanup(func() { close(answers) }) // before watch ends
	for _, want := range []string{"READY=1", "WATCHDOG=1", "WATCHDOG=1"} {
		answers <- struct{}{}
		require.Equal(t, want, s.next())
	}
	s.silent(300 * time.Millisecond)
	answers <- struct{}{}
	require.Equal(t, "WATCHDOG=1", s.next())
}

// TestWhomItTells: nobody, without a manager; and who watches another process does not watch us.
func TestWhomItTells(t *testing.T) {
	none, err := Open(env(nil))
	require.NoError(t, err)
	require.Nil(t, none)
	require.NoError(t, none.Stop())
	ran := false
	require.NoError(t, none.Reload(func() { ran = true }))
	require.True(t, ran)
	none.Watch(t.Context(), nil, nil)

	name := filepath.Join(t.TempDir(), "notify")
	listen(t, name)
	m := open(t, map[string]string{"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"})
	require.Zero(t, m.every)

	for _, wrong := range []map[string]string{
		{"NOTIFY_SOCKET": "vsock:2:1"}, {"NOTIFY_SOCKET": name + "-gone"},
		{"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "soon"}, {"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "0"},
	} {
		_, err := Open(env(wrong))
		require.ErrorContains(t, err, "cannot tell the service manager")
	}
}
