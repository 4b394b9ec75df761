package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"tlagate/internal/local"
)

const (
	patience  = 2 * time.Minute
	clientEnv = "TLAGATE_CONTROL_CLIENT" // path of a socket: this process is a client
)

func TestMain(m *testing.M) {
	if socket := os.Getenv(clientEnv); socket != "" {
		os.Exit(askAndTell(socket))
	}
	goleak.VerifyTestMain(m)
}

// askAndTell runs a client in a process of its own.
func askAndTell(socket string) int {
	var a echo
	err := Ask(context.Background(), socket, "status", &a)
	var f *Fault
	switch {
	case errors.As(err, &f):
		fmt.Println("fault", f.Code)
	case err != nil:
		fmt.Println("error", err)
	default:
		fmt.Println("answer", a.Command)
	}
	return 0
}

type echo struct {
	Version int    `json:"version"`
	Command string `json:"command"`
	PdT     string `json:"pdt"`
}

// serve runs a server for as long as the test runs; with a nil handle, one that echoes.
func serve(t *testing.T, cfg Config) string {
	t.Helper()
	if cfg.Socket == "" {
		cfg.Socket = filepath.Join(t.TempDir(), "control.sock")
	}
	if cfg.Handle == nil {
		cfg.Handle = func(_ context.Context, _ string, asked Request) any {
			return echo{Version, asked.Command, asked.PdT}
		}
	}
	s, err := Listen(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var run sync.WaitGroup
	run.Go(func() { require.NoError(t, s.Serve(ctx)) })
	t.Cleanup(func() {
		cancel()
		run.Wait()
		require.NoFileExists(t, cfg.Socket)
	})
	return cfg.Socket
}

func dial(t *testing.T, socket string) net.Conn {
	c, err := net.Dial("unix", socket)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
	return c
}

// TestClientsThatStayHoldNothing: a client that has its answer and does not go takes up neither a place nor the server.
func TestClientsThatStayHoldNothing(t *testing.T) {
	socket := serve(t, Config{})
	for range 5 * maxClients {
		c := dial(t, socket)
		_, err := c.Write([]byte(`{"version":1,"command":"status"}` + "\n"))
		require.NoError(t, err)
		line, err := bufio.NewReader(c).ReadString('\n')
		require.NoError(t, err)
		require.Contains(t, line, "status")
	}
}

func TestAsk(t *testing.T) {
	socket := serve(t, Config{})
	var a echo
	require.NoError(t, Ask(t.Context(), socket, "status", &a))
	require.Equal(t, echo{1, "status", ""}, a)
	require.NoError(t, AskFor(t.Context(), socket, Request{Command: "start", PdT: "urn:tlagate:c:pdt:bureau"}, &a))
	require.Equal(t, echo{1, "start", "urn:tlagate:c:pdt:bureau"}, a)
	info, err := os.Stat(socket)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o660), info.Mode().Perm())
}

func TestGarbageIsRefused(t *testing.T) {
	socket := serve(t, Config{})
	for name, c := range map[string]struct{ say, code string }{
		"no JSON":        {"hello\n", FaultBadRequest},
		"an array":       {"[1]\n", FaultBadRequest},
		"no version":     {`{"command":"status"}` + "\n", FaultVersion},
		"other version":  {`{"version":2,"command":"status"}` + "\n", FaultVersion},
		"no command":     {`{"version":1}` + "\n", FaultBadRequest},
		"command to log": {`{"version":1,"command":"a\nlevel=ERROR"}` + "\n", FaultBadRequest},
		"PdT to log":     {`{"version":1,"command":"start","pdt":"a\nb"}` + "\n", FaultBadRequest},
		"PdT too long": {`{"version":1,"command":"start","pdt":"` + strings.Repeat("a", maxName+1) + `"}` + "\n",
			FaultBadRequest},
		"binary":          {"\x00\xff\x16\x03\n", FaultBadRequest},
		"too long":        {strings.Repeat("x", maxRequest+1), FaultBadRequest},
		"too long, lined": {strings.Repeat(" ", maxRequest) + "{}\n", FaultBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			conn := dial(t, socket)
			_, err := conn.Write([]byte(c.say))
			require.NoError(t, err)
			line, err := local.ReadLine(conn, maxAnswer)
			require.NoError(t, err)
			var a faultAnswer
			require.NoError(t, json.Unmarshal(line, &a))
			require.Equal(t, c.code, a.Error.Code)
		})
	}
	var a echo
	require.NoError(t, Ask(t.Context(), socket, "status", &a), "it still serves")
}

func TestTwoClientsAtATime(t *testing.T) {
	entered, leave := make(chan string), make(chan struct{})
	socket := serve(t, Config{Handle: func(_ context.Context, _ string, asked Request) any {
		if asked.Command == "start" {
			entered <- asked.Command
			<-leave
		}
		return echo{Version, asked.Command, ""}
	}})
	result := make(chan error)
	go func() { result <- Ask(context.Background(), socket, "start", new(echo)) }()
	<-entered
	var a echo
	require.NoError(t, Ask(t.Context(), socket, "status", &a), "a status while a start lasts")
	close(leave)
	require.NoError(t, <-result)
}

func TestTooManyClients(t *testing.T) {
	socket := serve(t, Config{})
	for range maxClients {
		dial(t, socket)
	}
	var f *Fault
	require.Eventually(t, func() bool {
		return errors.As(Ask(t.Context(), socket, "status", new(echo)), &f) && f.Code == FaultTooMany
	}, patience, time.Millisecond)
}

// TestC4StopHasAPlaceOfItsOwn: whatever other clients do, a session can be ended; and a client that waits for a PIN and
// goes leaves its place.
func TestC4StopHasAPlaceOfItsOwn(t *testing.T) {
	socket := serve(t,
		Config{PIN: func(ctx context.Context, _ bool, _ func(any) error, _ io.Reader, _ func(time.Time)) any {
			<-ctx.Done()
			return nil
		}})
	var entering []net.Conn
	for range maxClients {
		c := dial(t, socket)
		_, err := c.Write([]byte(`{"version":1,"command":"pin"}` + "\n"))
		require.NoError(t, err)
		entering = append(entering, c)
	}
	var f *Fault
	require.Eventually(t, func() bool {
		return errors.As(Ask(t.Context(), socket, "status", new(echo)), &f) && f.Code == FaultTooMany
	}, patience, time.Millisecond)
	for range 3 * maxStops {
		var a echo
		require.NoError(t, Ask(t.Context(), socket, "stop", &a))
		require.Equal(t, "stop", a.Command)
	}
	for _, c := range entering {
		c.Close()
	}
	require.Eventually(t, func() bool { return Ask(t.Context(), socket, "status", new(echo)) == nil }, patience,
		time.Millisecond)
}

// TestSP4OneWhoWasToldIsNotGone: a client that closes its half once it was told that the PIN is wanted is not taken for
// one that has gone, however late that is looked at.
func TestSP4OneWhoWasToldIsNotGone(t *testing.T) {
	ours, theirs := unixPair(t)
	require.NoError(t, theirs.CloseWrite())
	told, tell := context.WithCancel(t.Context())
	tell()
	whenGone(told, ours, func() { t.Error("it is gone") })
}

// TestSP4AClientMayEndItsHalfAfterThePIN: a client that has closed its sending half still gets the card's answer.
func TestSP4AClientMayEndItsHalfAfterThePIN(t *testing.T) {
	ended := make(chan struct{})
	socket := serve(t, Config{PIN: func(ctx context.Context, _ bool, say func(any) error, entry io.Reader,
		_ func(time.Time)) any {
		_ = say(echo{Version, "wanted", ""})
		_, _ = io.Copy(io.Discard, entry)
		<-ended
		return echo{Version, fmt.Sprint("judged ", ctx.Err() == nil), ""}
	}})
	c := dial(t, socket)
	_, err := c.Write([]byte(`{"version":1,"command":"pin"}` + "\n"))
	require.NoError(t, err)
	r := bufio.NewReader(c)
	_, err = r.ReadString('\n')
	require.NoError(t, err)
	require.NoError(t, c.(*net.UnixConn).CloseWrite())
	time.AfterFunc(2*goneTime, func() { close(ended) })
	line, err := r.ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, "judged true")
}

func TestClientThatGoesAwayEndsItsCommand(t *testing.T) {
	entered, ended := make(chan struct{}), make(chan struct{})
	socket := serve(t, Config{Handle: func(ctx context.Context, _ string, _ Request) any {
		close(entered)
		<-ctx.Done()
		close(ended)
		return echo{}
	}})
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() { result <- Ask(ctx, socket, "start", new(echo)) }()
	<-entered
	cancel()
	require.ErrorIs(t, <-result, context.Canceled)
	<-ended
}

func TestSocketOfADeadDaemonIsReplacedThatOfALivingOneIsNot(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	require.NoError(t, err)
	_, err = Listen(Config{Socket: path})
	require.ErrorContains(t, err, "another relay is running")
	l.SetUnlinkOnClose(false)
	l.Close()
	require.FileExists(t, path)
	serve(t, Config{Socket: path})
	require.NoError(t, Ask(t.Context(), path, "status", new(echo)))
}

func TestFileThatIsNoSocketStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "precious")
	require.NoError(t, os.WriteFile(path, []byte("x"), 0o600))
	_, err := Listen(Config{Socket: path})
	require.ErrorContains(t, err, "is no socket")
	require.FileExists(t, path)
}

func TestUnknownGroup(t *testing.T) {
	_, err := Listen(Config{Socket: filepath.Join(t.TempDir(), "s"), Group: "no-such-group-here"})
	require.ErrorContains(t, err, "no-such-group-here")
}

func TestNoDaemon(t *testing.T) {
	require.ErrorIs(t, Ask(t.Context(), filepath.Join(t.TempDir(), "s"), "status", new(echo)), ErrNoDaemon)
}

// TestC4WhoMayAsk runs clients as other users, which the kernel names.
func TestC4WhoMayAsk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can run a client as another user")
	}
	const daemon, games, nobody = 1, 60, 65534 // groups of base-passwd
	open := func(group string) string {
		dir, err := os.MkdirTemp("", "control-")
		require.NoError(t, err)
		t.Cleanup(func() { os.RemoveAll(dir) })
		require.NoError(t, os.Chmod(dir, 0o755))
		socket := serve(t, Config{Socket: filepath.Join(dir, "s"), Group: group})
		info, err := os.Stat(socket)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o660), info.Mode().Perm())
		return socket
	}
	grouped, alone := open("games"), open("")
	for _, c := range []struct {
		name, socket string
		uid, gid     uint32
		everybody    bool // the file would let everybody in: only the credentials decide
		want         string
	}{
		{"root", alone, 0, 0, false, "answer status"},
		{"root of another group", alone, 0, nobody, false, "answer status"},
		{"member by primary group", grouped, nobody, games, false, "answer status"},
		{"member by user's group", grouped, 5, nobody, true, "answer status"}, // user games
		{"foreign group", grouped, nobody, daemon, false, "error"},
		{"foreign group, open file", grouped, nobody, daemon, true, "fault not_allowed"},
		{"anyone without a group, open file", alone, nobody, games, true, "fault not_allowed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.everybody {
				require.NoError(t, os.Chmod(c.socket, 0o666))
				defer os.Chmod(c.socket, 0o660)
			}
			got := askAs(t, c.socket, c.uid, c.gid)
			require.True(t, strings.HasPrefix(got, c.want), got)
		})
	}
}

// askAs runs this binary, which must be readable by all, as another user.
func askAs(t *testing.T, socket string, uid, gid uint32) string {
	self, err := os.ReadFile("/proc/self/exe")
	require.NoError(t, err)
	client := filepath.Join(filepath.Dir(socket), "client")
	if _, err := os.Stat(client); err != nil {
		require.NoError(t, os.WriteFile(client, self, 0o755))
	}
	cmd := exec.Command(client)
	cmd.Dir = "/"
	cmd.Env = []string{clientEnv + "=" + socket, "GORACE=atexit_sleep_ms=0"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid}}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(t, cmd.Run(), out.String())
	return strings.TrimSpace(out.String())
}
