package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/cmd/internal/cli"
	"tlagate/est"
	"tlagate/pki/pkitest"
)

// unboxed writes a terminal's configuration as its package has it: nothing that it names is there, and it names no
// gateway.
func unboxed(t *testing.T) (config, dir string) {
	dir = t.TempDir()
	config = filepath.Join(dir, "relay.yaml")
	require.NoError(t, os.WriteFile(config, []byte(`pdt: bureau
identity: {cert: tla.crt, key: tla.key}
trust: {anchors: [{file: root.crt, practices: ["*"]}], arl: arl.pem}
`), 0o600))
	return config, dir
}

func TestG2EnrollATerminal(t *testing.T) {
	ca := pkitest.New(t)
	server := ca.ServeEST(t)
	code := est.NewCode(ca.Root.Cert)
	server.Codes[code.Text()] = "urn:tlagate:cabinet:tla:valise"
	config, dir := unboxed(t)

	exit, out, errs := run(t, "enroll", "--config", config, "--gateway", server.Addr, code.Text()[1:])
	require.Equal(t, []any{1, ""}, []any{exit, out})
	require.Contains(t, errs, "tla-relay: The code is mistyped: check it and type it again.\n")
	require.NotContains(t, errs, code.Text()[6:11])

	exit, out, errs = run(t, "enroll", "--config", config, code.Text())
	require.Equal(t, 1, exit, out)
	require.Contains(t, errs, "give it with --gateway HOST:PORT")

	exit, out, errs = run(t, "enroll", "--config", config, "--gateway", server.Addr, code.Text())
	require.Zero(t, exit, errs)
	require.Contains(t, out, "Terminal enrolled: urn:tlagate:cabinet:tla:valise, until ")
	for _, file := range []string{"tla.crt", "tla.key", "root.crt", "arl.pem"} {
		require.FileExists(t, filepath.Join(dir, file))
	}
	exit, _, errs = run(t, "enroll", "--config", config, "--gateway", server.Addr, code.Text())
	require.Equal(t, 1, exit)
	require.Contains(t, errs, "add --replace")
}

func TestRenewalOfARelayNamesNoPKI(t *testing.T) {
	config, _ := unboxed(t)
	for _, line := range []string{"renewal: {pki: \"pki:8445\"}", "renewal: {at: 1.5}"} {
		data, err := os.ReadFile(config)
		require.NoError(t, err)
		other := config + ".other"
		require.NoError(t, os.WriteFile(other, append(data, line...), 0o600))
		_, err = withConfig{Config: other}.load()
		require.Error(t, err, line)
	}
}

// TestEL2RelayOutOfItsPackageRefusesToStart: it exits with a code that keeps its unit from trying again, and says what
// to do.
func TestEL2RelayOutOfItsPackageRefusesToStart(t *testing.T) {
	config, _ := unboxed(t)
	var out, errs bytes.Buffer
	app := &cli.App{Context: t.Context(), Stdout: &out, Stderr: &errs}
	require.Equal(t, 78, cli.Run(app, "tla-relay", []string{"run", "--config", config}, &grammar{}, nil))
	require.Contains(t, errs.String(), "cannot run: this terminal is not enrolled")
	require.Contains(t, errs.String(), "tla-relay enroll --gateway HOST:PORT")
}
