package integration

import (
	"net"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/integration/world"
)

// serviceManager is the socket on which systemd would hear how a program is.
type serviceManager struct {
	t    *testing.T
	conn *net.UnixConn
}

func newServiceManager(t *testing.T) (s *serviceManager, env []string) {
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return &serviceManager{t, conn}, []string{"NOTIFY_SOCKET=" + path, "WATCHDOG_USEC=300000"}
}

// hears waits until the program says something, and asserts that it said no other thing before, but that it works.
func (s *serviceManager) hears(want string) {
	s.t.Helper()
	buf := make([]byte, 100)
	for {
		require.NoError(s.t, s.conn.SetReadDeadline(time.Now().Add(patience)))
		n, err := s.conn.Read(buf)
		require.NoError(s.t, err, want)
		if said := string(buf[:n]); said == want {
			return
		} else if said != "WATCHDOG=1" {
			require.Equal(s.t, want, said)
		}
	}
}

// TestDL2ProgramsTellTheServiceManager: each program says that it is ready once it serves, that it works, that it reads
// its configuration again, and that it stops; the relay does so from inside its sandbox. For none of that it makes a
// system call that its unit forbids.
func TestDL2ProgramsTellTheServiceManager(t *testing.T) {
	t.Parallel()
	l, push := newStopBed(t)
	for _, p := range []struct{ name, command, config, serves string }{
		{"tla-gateway", "serve", l.Path("gateway.yaml"), "listening"}, {"tla-pdt", "run", l.Path("pdt.yaml"), "runs"},
		{"tla-relay", "run", l.Path("relay.yaml"), "ready"}, {"tla-pki", "serve", push, ""}, // which says nothing
		{"tla-ocsp", "serve", l.Path("ocsp.yaml"), "listening"},
	} {
		t.Run(p.name, func(t *testing.T) {
			s, env := newServiceManager(t)
			path, err := world.Binary(p.name)
			require.NoError(t, err)
			file := filepath.Join(t.TempDir(), "calls")
			proc, err := world.Start(world.Command{Name: p.name, Path: "strace", Env: env,
				Args: []string{"-D", "-f", "-qq", "-s", "0", "-o", file, path, p.command, "--config", p.config}})
			require.NoError(t, err)
			defer proc.Kill()
			s.hears("READY=1")
			logged(t, proc, 0, p.serves)
			s.hears("WATCHDOG=1")
			s.hears("WATCHDOG=1")
			require.NoError(t, proc.Signal(syscall.SIGHUP))
			s.hears("RELOADING=1")
			s.hears("READY=1")
			s.hears("WATCHDOG=1")
			require.NoError(t, proc.Signal(syscall.SIGTERM))
			s.hears("STOPPING=1")
			require.NoError(t, proc.Stop())
			used, _ := calls(t, file)
			require.Greater(t, len(used), 20)
			unitAllows(t, unitOf(t, p.name), used)
		})
	}
}
