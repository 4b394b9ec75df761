//go:build linux

package activation

import (
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// childEnv makes the test's binary take what it is passed: "NAME ADDRESS [multipath]".
const childEnv = "TLAGATE_ACTIVATION_TEST"

func TestMain(m *testing.M) {
	if what := os.Getenv(childEnv); what != "" {
		os.Exit(child(strings.Fields(what)))
	}
	os.Exit(m.Run())
}

// child accepts one connection on the socket that it takes, and says hello.
func child(what []string) int {
	_ = os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid())) // which a parent cannot know in Go
	s, err := Passed(os.Getenv)
	var l net.Listener
	if err == nil {
		l, err = s.Take(what[0], what[1], len(what) > 2)
	}
	if err == nil {
		err = s.Left()
	}
	if err == nil {
		err = hello(l)
	}
	if err != nil {
		os.Stdout.WriteString(err.Error())
		return 1
	}
	return 0
}

func hello(l net.Listener) error {
	c, err := l.Accept()
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Write([]byte("hello"))
	return err
}

// socket is what can be passed.
type socket interface{ File() (*os.File, error) }

// passed runs the child with these sockets, and returns how it ended and what it printed.
func passed(t *testing.T, what, names string, sockets ...socket) (printed string, err error) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), childEnv+"="+what, "LISTEN_FDS="+strconv.Itoa(len(sockets)), "LISTEN_FDNAMES="+names)
	for _, l := range sockets {
		f, err := l.File()
		require.NoError(t, err)
		defer f.Close()
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	}
	out, err := cmd.Output()
	return string(out), err
}

func listen(t *testing.T, address string, multipath bool) *net.TCPListener {
	t.Helper()
	var cfg net.ListenConfig
	cfg.SetMultipathTCP(multipath)
	l, err := cfg.Listen(t.Context(), "tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	return l.(*net.TCPListener)
}

// TestWhoConnectsBeforeTheProgramIsThereIsServed: the connection waits in the socket that the parent keeps.
func TestWhoConnectsBeforeTheProgramIsThereIsServed(t *testing.T) {
	l := listen(t, "127.0.0.1:0", false)
	for range 2 { // two starts of the program
		c, err := net.Dial("tcp", l.Addr().String())
		require.NoError(t, err)
		defer c.Close()
		printed, err := passed(t, "listen "+l.Addr().String(), "listen", l)
		require.NoError(t, err, printed)
		said := make([]byte, 5)
		_, err = c.Read(said)
		require.NoError(t, err)
		require.Equal(t, "hello", string(said))
	}
}

// TestSocketsThatDoNotFit: what was passed must be what the configuration says.
func TestSocketsThatDoNotFit(t *testing.T) {
	one, other := listen(t, "127.0.0.1:0", false), listen(t, "127.0.0.1:0", false)
	at := one.Addr().String()
	for _, c := range []struct {
		what, names string
		sockets     []socket
		says        string
	}{
		{"listen " + other.Addr().String(), "listen", []socket{one}, "make ListenStream= and the "},
		{"listen 0.0.0.0" + strings.TrimPrefix(at, "127.0.0.1"), "listen", []socket{one}, "make Listen"},
		{"listen " + at, "tla-gateway.socket", []socket{one}, "no socket of that name"},
		{"listen " + at, "listen:public", []socket{one, other}, "passed as public"},
		{"listen " + at, "listen:listen", []socket{one, other}, "leave one ListenStream="},
		{"listen " + at, "listen", []socket{one, other}, "does not name so many"},
	} {
		printed, err := passed(t, c.what, c.names, c.sockets...)
		require.Error(t, err, c.names)
		require.Contains(t, printed, c.says)
	}
}

// TestSocketsOfAnotherKind: what cannot be listened on is refused, and not tried again and again.
func TestSocketsOfAnotherKind(t *testing.T) {
	l := listen(t, "127.0.0.1:0", false)
	at := l.Addr().String()
	far, err := net.Dial("tcp", at)
	require.NoError(t, err)
	defer far.Close()
	accepted, err := l.Accept() // as with Accept=yes
	require.NoError(t, err)
	defer accepted.Close()
	datagrams, err := net.ListenPacket("udp", at)
	require.NoError(t, err)
	defer datagrams.Close()
	local, err := net.Listen("unix", t.TempDir()+"/socket")
	require.NoError(t, err)
	defer local.Close()
	for says, one := range map[string]any{"leave out Accept=": accepted, "cannot take the socket listen": datagrams,
		"make ListenStream= and the ": local} {
		printed, err := passed(t, "listen "+at, "listen", one.(socket))
		require.Error(t, err)
		require.Contains(t, printed, says)
	}
}

// TestDescriptorsThatAreNotThere: what the environment says wrongly is refused.
func TestDescriptorsThatAreNotThere(t *testing.T) {
	for _, n := range []string{"-1", "0", "2", "4294967297", "99999999999999999999", "1x", ""} {
		_, err := Passed(func(name string) string {
			return map[string]string{"LISTEN_PID": strconv.Itoa(os.Getpid()), "LISTEN_FDS": n,
				"LISTEN_FDNAMES": "listen"}[name]
		})
		require.ErrorContains(t, err, "does not name so many", n)
	}
}

// TestC2NoMultipathTCPBySocket: unless the configuration wants it.
func TestC2NoMultipathTCPBySocket(t *testing.T) {
	enabled, err := os.ReadFile("/proc/sys/net/mptcp/enabled")
	if err != nil || strings.TrimSpace(string(enabled)) != "1" {
		t.Skip("this kernel has no Multipath TCP, or has it turned off")
	}
	l := listen(t, "127.0.0.1:0", true)
	printed, err := passed(t, "listen "+l.Addr().String(), "listen", l)
	require.Error(t, err)
	require.Contains(t, printed, "Multipath TCP")
	c, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	printed, err = passed(t, "listen "+l.Addr().String()+" multipath", "listen", l)
	require.NoError(t, err, printed)
}

// TestWhatIsMeantForAnotherProcessIsLeft: a program that was started by one that has sockets of its own.
func TestWhatIsMeantForAnotherProcessIsLeft(t *testing.T) {
	s, err := Passed(func(name string) string {
		return map[string]string{"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "listen"}[name]
	})
	require.NoError(t, err)
	l, err := s.Take("listen", "127.0.0.1:1", false)
	require.NoError(t, err)
	require.Nil(t, l)
	require.NoError(t, s.Left())
}
