package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/doctor"
)

// TestDoctorSaysAllThatIsWrongWithTheFile: every fault is a finding of its own.
func TestDoctorSaysAllThatIsWrongWithTheFile(t *testing.T) {
	for text, says := range map[string][]string{
		"client: {cert: a.crt, key: a.key}\n": {"without a gateway"},
		"gateways: [\"gw:70000\", \"g w:1\"]\nclients: x\ndriver: {pcscd: [no-such-account], prefix: \"a/b\"}" +
			"\naccess: {tlas: [x, y]}\nheartbeat: -1s\n" +
			"renewal: {pki: pki}\nproxy: \"http://p:0\"\n": {
			`gateways[0] "gw:70000"`, `gateways[1] "g w:1"`, `unknown key "clients"`, "driver.pcscd",
			"name a reader", `"x"`, `"y"`, "heartbeat",
			"renewal.pki", "cannot use proxy"},
	} {
		file := filepath.Join(t.TempDir(), "pdt.yaml")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		var out, errs bytes.Buffer
		app := &cli.App{Context: t.Context(), Stdout: &out, Stderr: &errs}
		require.Equal(t, 1, cli.Run(app, "tla-pdt", []string{"doctor", "--offline", "--config", file}, &grammar{}, nil))
		for _, want := range says {
			require.Regexp(t, `(?m)^FAILURE +configuration +.*`+regexp.QuoteMeta(want), out.String())
		}
		require.Equal(t, len(says), len(regexp.MustCompile(`(?m)^FAILURE +configuration `).FindAllString(out.String(),
			-1)), out.String())
		require.Regexp(t, `(?m)^\S+.* swap `, out.String(), "the machine is looked at all the same")
	}
}

func TestDoctorSaysWhatTheDocumentSays(t *testing.T) {
	text, err := os.ReadFile("../../docs/doctor.md")
	require.NoError(t, err)
	var out, errs bytes.Buffer
	app := &cli.App{Context: t.Context(), Stdout: &out, Stderr: &errs}
	require.Equal(t, 1, cli.Run(app, "tla-pdt", []string{"doctor", "--json", "--config",
		"../../deploy/examples/pdt.yaml"}, &grammar{}, nil))
	require.Empty(t, errs.String())
	var list []doctor.Finding
	require.NoError(t, json.Unmarshal(out.Bytes(), &list))
	require.Greater(t, len(list), 20)
	for _, f := range list {
		name := regexp.MustCompile(` of (client|server)$`).ReplaceAllString(f.Check, " of …")
		name = regexp.MustCompile(`^gateway .*`).ReplaceAllString(name, "gateway HOST:PORT")
		require.Contains(t, string(text), "\n| "+name+" |")
	}
}
