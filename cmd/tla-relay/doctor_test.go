package main

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/doctor"
)

func TestDoctorSaysWhatTheDocumentSays(t *testing.T) {
	text, err := os.ReadFile("../../docs/doctor.md")
	require.NoError(t, err)
	code, out, errs := run(t, "doctor", "--json", "--config", "../../deploy/examples/relay.yaml")
	require.Equal(t, []any{1, ""}, []any{code, errs}, "there is no key: %s", out)
	var list []doctor.Finding
	require.NoError(t, json.Unmarshal([]byte(out), &list))
	require.Greater(t, len(list), 15)
	for _, f := range list {
		name := regexp.MustCompile(` of identity$`).ReplaceAllString(f.Check, " of …")
		require.Contains(t, string(text), "\n| "+name+" |")
	}
}

func TestDoctorWithoutAConfiguration(t *testing.T) {
	code, out, _ := run(t, "doctor", "--config", filepath.Join(t.TempDir(), "none.yaml"))
	require.Equal(t, 1, code)
	require.Regexp(t, `FAILURE +configuration +cannot read the configuration`, out)
	require.Regexp(t, `(?m)^\S+.* swap `, out, "the machine is looked at all the same")
}

func TestDoctorLooksAtTheControlSocket(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o755)) // whatever the umask: Debian 13's is 002
	file := filepath.Join(dir, "s")
	at := func(c control) doctor.State { return c.socket().State }
	c := control{Socket: cli.Path(file)}
	require.Equal(t, doctor.Warning, at(c), "none")
	l, err := net.Listen("unix", file)
	require.NoError(t, err)
	defer l.Close()
	require.NoError(t, os.Chmod(file, 0o660))
	require.Equal(t, doctor.OK, at(c))
	require.NoError(t, os.Chmod(file, 0o666))
	require.Equal(t, doctor.Failure, at(c), "for everybody")
	require.NoError(t, os.Chmod(file, 0o660))
	require.NoError(t, os.Chmod(dir, 0o777))
	require.Equal(t, doctor.Failure, at(c), "others may replace it")
	other := filepath.Join(t.TempDir(), "plain")
	require.NoError(t, os.WriteFile(other, nil, 0o600))
	require.Equal(t, doctor.Failure, at(control{Socket: cli.Path(other)}), "no socket")

	require.Equal(t, doctor.Warning, control{}.members().State)
	require.Equal(t, doctor.Failure, control{Group: "no-such-group-here"}.members().State)
	require.Equal(t, doctor.OK, control{Group: "root"}.members().State)
}
