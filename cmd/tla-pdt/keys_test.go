package main

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestG2KeysAndErase(t *testing.T) {
	config := deployment(t, "")
	dir := filepath.Dir(config)
	code, out, errs := command(t.Context(), "keys", "-c", config)
	require.Zero(t, code, errs)
	require.Regexp(t, `(?m)^client +`+urn+` +ECDSA P-256 `, out)

	require.NoError(t, os.Mkdir(filepath.Join(dir, "run"), 0o700))
	l, err := net.Listen("unix", filepath.Join(dir, "run", "s"))
	require.NoError(t, err)
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			c.Close()
		}
	}()
	code, _, errs = command(t.Context(), "erase", "--yes", "-c", config)
	require.Equal(t, 1, code)
	require.Contains(t, errs, "systemctl stop tla-pdt")
	require.FileExists(t, filepath.Join(dir, "client.key"))

	require.NoError(t, l.Close())
	code, out, errs = command(t.Context(), "erase", "--yes", "-c", config)
	require.Zero(t, code, errs)
	require.Contains(t, out, "tla-pki revoke")
	require.NoFileExists(t, filepath.Join(dir, "client.key"))
	require.NoFileExists(t, filepath.Join(dir, "server.key"))
}
