package world

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestInsideIsPrivate(t *testing.T) {
	require.True(t, inside())
	require.Equal(t, 0, os.Geteuid())
	require.True(t, strings.HasPrefix(t.TempDir(), scratch), "temporary files stay inside")
	require.Less(t, os.Getpid(), 1000, "process numbers begin anew")
	interfaces, err := net.Interfaces()
	require.NoError(t, err)
	for _, i := range interfaces {
		if i.Name == "lo" {
			require.NotZero(t, i.Flags&net.FlagUp)
			continue
		}
		require.Zero(t, i.Flags&net.FlagUp, "interface %s leads outside", i.Name)
	}
}

// sleeper is the program of the test below: it has a pcscd, a file, a port and a child.
func sleeper() int {
	if _, err := StartPCSCD(PCSCDConfig{Readers: []Reader{{Name: "survivor"}}}); err != nil {
		fmt.Println(err)
		return 1
	}
	if _, err := Start(Command{Path: "sleep", Args: []string{"3600"}}); err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("asleep")
	select {}
}

// startSleeper starts a world within this one, so that its processes are seen from outside.
func startSleeper(t *testing.T) *Process {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	p, err := Start(Command{Path: self, Env: []string{stageEnv + "=", BinEnv + "=/nowhere", sleeperEnv + "=1"}})
	require.NoError(t, err)
	_, err = p.WaitLine(Patience, "asleep")
	require.NoError(t, err)
	return p
}

func TestNothingSurvivesAKill(t *testing.T) {
	before, err := TakeSnapshot()
	require.NoError(t, err)
	p := startSleeper(t)
	visible := func(process string) func() bool { // it may not have come to its exec yet
		return func() bool { return strings.Contains(fmt.Sprint(before.Leaked(0)), process) }
	}
	require.Eventually(t, visible("sleep 3600"), Patience, time.Millisecond, "the nested world is seen")
	require.Eventually(t, visible("pcscd --foreground"), Patience, time.Millisecond)
	p.Kill()
	require.NoError(t, before.Leaked(Patience))
}

func TestEnterPassesTheExitCode(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self, "-test.run=XXX", "-no-such-flag")
	cmd.Env = append(os.Environ(), stageEnv+"=", BinEnv+"=/nowhere")
	var exit *exec.ExitError
	require.ErrorAs(t, cmd.Run(), &exit)
	require.Equal(t, 2, exit.ExitCode())
}

func TestLeakedNamesWhatStays(t *testing.T) {
	before, err := TakeSnapshot()
	require.NoError(t, err)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	f, err := os.CreateTemp("", "left-")
	require.NoError(t, err)
	p, err := Start(Command{Path: "sleep", Args: []string{"7200"}})
	require.NoError(t, err)

	err = before.Leaked(0)
	require.ErrorContains(t, err, fmt.Sprintf("listening TCP port %d", l.Addr().(*net.TCPAddr).Port))
	require.ErrorContains(t, err, f.Name())
	require.ErrorContains(t, err, "sleep 7200")

	require.NoError(t, l.Close())
	require.NoError(t, f.Close())
	require.NoError(t, os.Remove(f.Name()))
	p.Kill()
	require.NoError(t, before.Leaked(Patience))
}

func TestPortsDifferAndAreFree(t *testing.T) {
	seen := map[int]bool{}
	for range 20 {
		port, err := portPair()
		require.NoError(t, err)
		for i := range 2 {
			require.False(t, seen[port+i])
			seen[port+i] = true
		}
	}
	busy, err := net.Listen("tcp4", Addr(firstPort+ports.given))
	require.NoError(t, err)
	defer busy.Close()
	port, err := Port()
	require.NoError(t, err)
	require.NotEqual(t, busy.Addr().(*net.TCPAddr).Port, port)
}

func TestBinariesHonoursPrebuiltOnes(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(BinEnv, dir)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "tla-x"), nil, 0o755))
	path, err := Binary("tla-x")
	require.NoError(t, err)
	require.Equal(t, filepath.Join(dir, "tla-x"), path)
	_, err = Binary("tla-y")
	require.ErrorContains(t, err, "tla-y")
}

func TestBinariesLeaveNothingInTMPDIR(t *testing.T) {
	before, err := TakeSnapshot()
	require.NoError(t, err)
	t.Setenv(BinEnv, "")
	path, err := Binary("tla-pki")
	require.NoError(t, err)
	out, err := Run(Patience, nil, path, "--help")
	require.NoError(t, err)
	require.NotEmpty(t, out)
	require.NoError(t, before.Leaked(Patience))
}

func TestProcess(t *testing.T) {
	shell := func(script string) *Process {
		p, err := Start(Command{Name: "shell", Path: "sh", Args: []string{"-c", script}})
		require.NoError(t, err)
		return p
	}
	t.Run("lines of both outputs, exit code", func(t *testing.T) {
		p := shell("echo one; echo two >&2; printf three; exit 7")
		code, err := p.Wait(Patience)
		require.NoError(t, err)
		require.Equal(t, 7, code)
		require.Equal(t, []string{"one", "two", "three"}, p.Lines())
	})
	t.Run("waits for a line to come", func(t *testing.T) {
		p := shell("echo ready; echo reason=expired peer=x; sleep 3600")
		_, err := p.WaitLine(Patience, "ready")
		require.NoError(t, err)
		const mark = 1
		line, err := p.WaitLineFrom(mark, Patience, "reason=", "peer=x")
		require.NoError(t, err)
		require.Equal(t, "reason=expired peer=x", line)
		_, err = p.WaitLineFrom(mark, 0, "ready")
		require.ErrorIs(t, err, ErrTimeout)
		require.NoError(t, p.Stop())
		require.NoError(t, p.Stop(), "again")
		code, err := p.Wait(0)
		require.NoError(t, err)
		require.Equal(t, 128+15, code)
	})
	t.Run("an ended process is told apart from a slow one", func(t *testing.T) {
		_, err := shell("echo gone").WaitLine(Patience, "never")
		require.ErrorContains(t, err, "it ended")
		require.ErrorContains(t, err, "gone")
	})
	t.Run("cannot be started", func(t *testing.T) {
		_, err := Start(Command{Path: "/no/such/program"})
		require.ErrorContains(t, err, "/no/such/program")
	})
	t.Run("a grandchild that keeps the output open does not hold us up", func(t *testing.T) {
		p := shell("sleep 3600 & echo $!")
		_, err := p.Wait(Patience)
		require.NoError(t, err)
		require.Len(t, p.Lines(), 1, "what was said before the end is read")
		left, err := strconv.Atoi(p.Lines()[0])
		require.NoError(t, err)
		require.NoError(t, syscall.Kill(left, syscall.SIGTERM))
	})
}
