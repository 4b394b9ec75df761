package cli_test

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/cmd/internal/cli"
)

func TestProxyOfTheConfiguration(t *testing.T) {
	for _, c := range []struct {
		p    cli.Proxy
		says string
	}{
		{cli.Proxy{}, ""},
		{cli.Proxy{URL: "http://p:1"}, ""},
		{cli.Proxy{URL: "http://u@p:1", Password: "/x"}, ""},
		{cli.Proxy{URL: "http://p:1", Password: "/x"}, "names no user"},
		{cli.Proxy{Password: "/x"}, "no line proxy"},
		{cli.Proxy{URL: "https://p:1"}, "cannot use proxy"},
	} {
		err := c.p.CheckProxy()
		if c.says == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, c.says)
		_, err = c.p.Dial(t.Context(), "tcp", "127.0.0.1:9")
		require.ErrorContains(t, err, c.says)
	}
}

// TestC1TheEnvironmentNamesNoProxy: flows are those of the configuration.
func TestC1TheEnvironmentNamesNoProxy(t *testing.T) {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"} {
		t.Setenv(name, "http://127.0.0.1:9")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	c, err := cli.Proxy{}.Dial(t.Context(), "tcp", l.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	require.Equal(t, l.Addr().String(), c.RemoteAddr().String())
}

func TestProxyPasswordIsReadAtEachConnection(t *testing.T) {
	shown := make(chan string, 9)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown <- r.Header.Get("Proxy-Authorization")
		w.WriteHeader(http.StatusProxyAuthRequired)
	})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go func() { _ = server.Serve(l) }()
	defer server.Close()
	file := filepath.Join(t.TempDir(), "password")
	dial := cli.Proxy{URL: "http://u@" + l.Addr().String(), Password: cli.Path(file)}.Dial
	for password, want := range map[string]string{"one\n": "Basic dTpvbmU=", "two": "Basic dTp0d28="} {
		require.NoError(t, os.WriteFile(file, []byte(password), 0o600))
		_, err = dial(t.Context(), "tcp", "gw:1")
		require.ErrorContains(t, err, "proxy_password")
		require.Equal(t, want, <-shown)
	}
	require.NoError(t, os.Chmod(file, 0o644))
	_, err = dial(t.Context(), "tcp", "gw:1")
	require.ErrorContains(t, err, "its password cannot be read")
	require.Empty(t, shown)
}
