package main

import (
	"bytes"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestG2KeysAndErase(t *testing.T) {
	d := deploy(t)
	key := filepath.Join(d.dir, "gateway.key")
	var out, errs bytes.Buffer
	require.Zero(t, command(t.Context(), &out, &errs, "keys", "-c", d.config), errs.String())
	require.Regexp(t, `(?m)^identity +`+ours+` +ECDSA P-256 `, out.String())

	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	d.configure(strings.Replace(goodConfig, "127.0.0.1:0", l.Addr().String(), 1))
	require.Equal(t, 1, command(t.Context(), &out, &errs, "erase", "--yes", "-c", d.config))
	require.Contains(t, errs.String(), "its address is in use")
	require.FileExists(t, key)

	require.NoError(t, l.Close())
	require.Zero(t, command(t.Context(), &out, &errs, "erase", "--yes", "-c", d.config))
	require.Contains(t, out.String(), "tla-pki revoke")
	require.NoFileExists(t, key)
}
