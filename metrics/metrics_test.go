package metrics

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestDL1OnlyLoopback: metrics are sent in clear, so they stay on the machine.
func TestDL1OnlyLoopback(t *testing.T) {
	for _, good := range []string{"127.0.0.1:9464", "127.8.9.10:1", "[::1]:9464", "[::ffff:127.0.0.1]:9464",
		"unix:/run/tlagate/metrics.sock"} {
		require.NoError(t, CheckAddress(good), good)
	}
	for _, bad := range []string{
		"", ":9464", "0.0.0.0:9464", "[::]:9464", "192.0.2.1:9464", "[2001:db8::1]:9464",
		"[::ffff:192.0.2.1]:9464", "[fe80::1%lo]:9464",
		"localhost:9464", "127.0.0.1", "127.0.0.1:99999", "unix:", "unix:metrics.sock",
		"http://127.0.0.1:9464", "128.0.0.1:1",
	} {
		require.ErrorContains(t, CheckAddress(bad), "cannot serve metrics on", bad)
		_, err := Listen(bad)
		require.Error(t, err, bad)
	}
	require.ErrorContains(t, CheckAddress("0.0.0.0:9464"), "TLS front")
}

// always is a program that is always ready.
func always() []string { return nil }

// serve serves until the test ends, and returns a client.
func serve(t *testing.T, l net.Listener, unready func() []string) *http.Client {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); Serve(ctx, l, NewRegistry("v1"), unready, slog.New(slog.DiscardHandler)) }()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, l.Addr().Network(), l.Addr().String())
	}}
	t.Cleanup(func() { transport.CloseIdleConnections(); stop(); <-done })
	return &http.Client{Transport: transport}
}

func TestServe(t *testing.T) {
	l, err := Listen("127.0.0.1:0")
	require.NoError(t, err)
	client := serve(t, l, always)
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/metrics", 200}, {"HEAD", "/metrics", 200}, {"POST", "/metrics", 405}, {"GET", "/", 404},
		{"GET", "/debug/pprof/", 404}, {"GET", "/readyz", 200}, {"POST", "/readyz", 405}, {"GET", "/healthz", 404},
	} {
		req, err := http.NewRequest(c.method, "http://metrics"+c.path, nil)
		require.NoError(t, err)
		resp, err := client.Do(req)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		require.NoError(t, err)
		require.Equal(t, c.status, resp.StatusCode, "%s %s", c.method, c.path)
		if c.method == "GET" && c.path == "/metrics" {
			require.Contains(t, string(body), `tlagate_build_info{goversion="go`)
			require.Contains(t, string(body), `version="v1"} 1`)
			require.Contains(t, string(body), "process_open_fds")
		}
	}
}

// TestConnectionsAreBounded: many connections make others wait, and cost no more.
func TestConnectionsAreBounded(t *testing.T) {
	l, err := Listen("127.0.0.1:0")
	require.NoError(t, err)
	counted := &countingListener{Listener: l, accepted: make(chan struct{}, 100)}
	serve(t, counted, always)
	for range connections + 5 {
		c, err := net.Dial("tcp", l.Addr().String())
		require.NoError(t, err)
		defer c.Close()
	}
	for range connections {
		<-counted.accepted
	}
	select {
	case <-counted.accepted:
		require.Fail(t, "one more than the limit was accepted")
	case <-time.After(50 * time.Millisecond): // a bound can only be seen to hold for a while
	}
}

type countingListener struct {
	net.Listener
	accepted chan struct{}
}

func (l *countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.accepted <- struct{}{}
	}
	return c, err
}

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.sock")
	left, err := net.Listen("unix", path) // by a program that was killed
	require.NoError(t, err)
	left.(*net.UnixListener).SetUnlinkOnClose(false)
	require.NoError(t, left.Close())
	l, err := Listen("unix:" + path)
	require.NoError(t, err)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(socketMode), info.Mode().Perm())
	_, err = Listen("unix:" + path)
	require.ErrorContains(t, err, "another program listens on it")
	resp, err := serve(t, l, always).Get("http://metrics/metrics")
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, 200, resp.StatusCode)
	require.True(t, strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain"))

	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, []byte("mine"), 0o600))
	_, err = Listen("unix:" + file)
	require.Error(t, err)
	kept, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "mine", string(kept), "only a dead socket is removed")
}

// TestReadyz: 200 as long as there is no reason against it, and 503 with a line for each.
func TestReadyz(t *testing.T) {
	var why atomic.Pointer[[]string]
	why.Store(new([]string))
	l, err := Listen("127.0.0.1:0")
	require.NoError(t, err)
	client := serve(t, l, func() []string { return *why.Load() })
	status, text := get(t, client, "http://metrics/readyz")
	require.Equal(t, 200, status)
	require.Equal(t, "ready\n", text)
	why.Store(&[]string{"it is draining", "its certificate has ended"})
	status, text = get(t, client, "http://metrics/readyz")
	require.Equal(t, 503, status)
	require.Equal(t, "it is draining\nits certificate has ended\n", text)
}

func get(t *testing.T, client *http.Client, url string) (status int, text string) {
	t.Helper()
	resp, err := client.Get(url)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(body)
}
