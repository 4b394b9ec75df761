package main

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/pki/pkitest"
	"tlagate/tla"
)

func TestG2KeysAndErase(t *testing.T) {
	config := daemonThat(t, tla.Answer{Version: 1, OK: true, Status: &tla.Status{State: tla.StateIdle}})
	dir := filepath.Dir(config)
	_, key := pkitest.WriteCertificate(t, dir, "tla", pkitest.New(t).Issue("urn:tlagate:cab1:tla:t1",
		x509.ExtKeyUsageClientAuth))
	text, err := os.ReadFile(config)
	require.NoError(t, err)
	with := string(text) + "identity: {cert: tla.pem, key: tla.key}\n"
	require.NoError(t, os.WriteFile(config, []byte(with), 0o600))

	code, out, errs := run(t, "keys", "--config", config)
	require.Zero(t, code, errs)
	require.Regexp(t, `(?m)^identity +urn:tlagate:cab1:tla:t1 +ECDSA P-256 +\S+tla.key +file `, out)

	code, _, errs = run(t, "erase", "--yes", "--config", config)
	require.Equal(t, 1, code)
	require.Contains(t, errs, "stop it first (systemctl stop tla-relay)")
	require.FileExists(t, key)

	stopped := strings.Replace(with, "socket: s}", "socket: nobody}", 1)
	require.NotEqual(t, with, stopped)
	require.NoError(t, os.WriteFile(config, []byte(stopped), 0o600))
	code, out, errs = run(t, "erase", "--yes", "--config", config)
	require.Zero(t, code, errs)
	require.Contains(t, out, "destroyed: key file "+key)
	require.Contains(t, out, "tla-pki revoke --dir DIR --serial ")
	require.NoFileExists(t, key)
}
