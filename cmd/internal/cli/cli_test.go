package cli_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/cmd/internal/cli"
	"tlagate/keys"
)

type grammar struct {
	Work workCmd `cmd:"" help:"Do the work."`
}

type workCmd struct {
	File string `required:"" help:"What to work on."`
	err  error
}

func (w *workCmd) Run(app *cli.App) error {
	app.Log.Info("working", "command", app.Command)
	return w.err
}

func TestRunExitCodes(t *testing.T) {
	cases := []struct {
		name   string
		args   []string
		err    error
		code   int
		stderr string
	}{
		{"done", []string{"work", "--file", "f", "--log-level=error"}, nil, 0, ""},
		{"failed", []string{"work", "--file", "f", "--log-level=error"}, errors.New("cannot find it"), 1,
			"prog: cannot find it\n"},
		{"usage from the command", []string{"work", "--file", "f", "--log-level=error"},
			cli.Usage("cannot read %s", "f"), 2, "prog: cannot read f\n"},
		{"silent code", []string{"work", "--file", "f", "--log-level=error"}, cli.ExitCode(1, nil), 1, ""},
		{"missing flag", []string{"work"}, nil, 2, "prog: missing flags: --file=STRING; see prog work --help\n"},
		{"unknown flag", []string{"work", "--file", "f", "--nonsense"}, nil, 2,
			"prog: unknown flag --nonsense; see prog work --help\n"},
		{"unknown command", []string{"play"}, nil, 2, "prog: unexpected argument play; see prog --help\n"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			code, _, stderr := run(t, &grammar{Work: workCmd{err: c.err}}, c.args...)
			require.Equal(t, c.code, code)
			require.Equal(t, c.stderr, stderr)
		})
	}
}

func TestRunPrintsVersionAndHelp(t *testing.T) {
	code, stdout, _ := run(t, &grammar{}, "--version")
	require.Zero(t, code)
	require.Contains(t, stdout, "prog ")
	code, stdout, _ = run(t, &grammar{}, "--help")
	require.Zero(t, code)
	require.Contains(t, stdout, "Do the work.")
}

func TestRunLogs(t *testing.T) {
	_, _, stderr := run(t, &grammar{}, "work", "--file", "f", "--log-format", "json")
	require.Contains(t, stderr, `"msg":"working","command":"work"`)
	_, _, stderr = run(t, &grammar{}, "work", "--file", "f", "--log-level", "warn")
	require.Empty(t, stderr)
}

func run(t *testing.T, g *grammar, args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	app := &cli.App{Context: context.Background(), Stdout: &out, Stderr: &err}
	code = cli.Run(app, "prog", args, g, nil)
	return code, out.String(), err.String()
}

type config struct {
	Listen   string                `yaml:"listen"`
	Idle     time.Duration         `yaml:"idle"`
	Access   cli.Path              `yaml:"access"`
	Identity cli.Identity          `yaml:"identity"`
	Trust    cli.Trust             `yaml:"trust"`
	Slots    map[string]cli.Anchor `yaml:"slots"`
}

func TestLoadYAML(t *testing.T) {
	file := write(t, `
listen: 127.0.0.1:1
idle: 90s
access: access.yaml
identity: {cert: a.crt, key: /abs/a.key}
trust:
  anchors: [{file: ../root.crt, practices: ["*"]}]
  crls: [crl.pem, "http://pki.example.invalid/crl.der"]
`)
	var cfg config
	require.NoError(t, cli.LoadYAML(file, &cfg))
	dir := filepath.Dir(file)
	require.Equal(t, 90*time.Second, cfg.Idle)
	require.Equal(t, cli.Path(filepath.Join(dir, "access.yaml")), cfg.Access)
	require.Equal(t, keys.Spec("/abs/a.key"), cfg.Identity.Key)
	trust := cfg.Trust.Config("", nil)
	require.Equal(t, filepath.Join(filepath.Dir(dir), "root.crt"), trust.Anchors[0].File)
	require.Equal(t, []string{filepath.Join(dir, "crl.pem"), "http://pki.example.invalid/crl.der"}, trust.CRLs)
	require.Empty(t, trust.State)
}

func TestLoadYAMLKeepsKeySpecs(t *testing.T) {
	const token = "pkcs11:token=t;object=o?module-path=/m.so"
	for spec, want := range map[string]string{"a.key": "DIR/a.key", "tpm:a.tpm": "tpm:DIR/a.tpm", token: token} {
		file := write(t, "identity: {cert: a.crt, key: \""+spec+"\", wrapping_key: \"credential:w\"}\n")
		var cfg config
		require.NoError(t, cli.LoadYAML(file, &cfg))
		require.Equal(t, keys.Spec(strings.Replace(want, "DIR", filepath.Dir(file), 1)), cfg.Identity.Key)
		require.Equal(t, cli.Path("credential:w"), cfg.Identity.WrappingKey)
	}
}

func TestLoadYAMLRefuses(t *testing.T) {
	cases := map[string]struct{ yaml, says string }{
		"unknown key":         {"listen: a\nlisen: b\n", `line 2: unknown key "lisen"`},
		"no value":            {"listen:\n", `line 1: "listen" has no value`},
		"unknown nested key":  {"trust:\n  anchors:\n    - fil: x\n", `line 3: unknown key "trust.anchors[0].fil"`},
		"unknown in a map":    {"slots:\n  vitale: {nam: x}\n", `line 2: unknown key "slots.vitale.nam"`},
		"repeated key":        {"listen: a\nlisten: b\n", `"listen" already defined at line 1`},
		"wrong kind":          {"listen: a\nidle: soon\n", `line 2: "idle" is no time such as 90s or 5m: "soon"`},
		"a number for a time": {"idle: 5\n", `line 1: "idle" is no time`},
		"a list for a text":   {"listen: [a]\n", `line 1: "listen" is a list`},
		"a text for a list":   {"trust: {anchors: a}\n", `line 1: "trust.anchors" is no list`},
		"a text for keys":     {"identity: a\n", `line 1: "identity" has no keys below it`},
		"a list for keys":     {"identity: [a]\n", `line 1: "identity" has no keys below it`},
		"neither": {"trust: {production: perhaps}\n",
			`line 1: "trust.production" is neither true nor false: "perhaps"`},
		"nested twice":       {"identity: {cert: a, cert: b}\n", `line 1: "cert" already defined at line 1`},
		"empty":              {"# nothing\n", "it is empty"},
		"two documents":      {"listen: a\n---\nlisten: b\n", "more than one document"},
		"not YAML":           {"listen: [", "line 1"},
		"a tab":              {"# one\ntrust:\n\tcrls: [x]\n", "line 3: a tab; indent with spaces"},
		"a tab after spaces": {"trust:\n  crls: [x]\n \tocsp: {}\n", "line 3: a tab; indent with spaces"},
		"a tab in a list":    {"trust:\n  crls:\n\t- x\n", "line 3: a tab; indent with spaces"},
		"no tab":             {"listen: @x\n", "cannot start any token"},
		"many by aliases":    {bomb(5), "stand for more than 10000 values"},
		"alias to itself":    {"trust:\n  crls: &a [*a]\n", "line 2: its aliases (*) stand for more"},
		"nothing but spaces": {" \n\n", "it is empty"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			file := write(t, c.yaml)
			err := cli.LoadYAML(file, &config{})
			require.ErrorContains(t, err, c.says)
			require.ErrorContains(t, err, file)
		})
	}
	err := cli.LoadYAML("nowhere.yaml", &config{})
	require.False(t, cli.Usable(err))
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "cannot read the configuration: open nowhere.yaml")
	require.ErrorContains(t, err, "write it from the example")
}

// TestAnUnusableConfigurationIsExitStatus2: whatever the command.
func TestAnUnusableConfigurationIsExitStatus2(t *testing.T) {
	for _, file := range []string{"nowhere.yaml", write(t, "listen: ["), write(t, "lisen: a\n")} {
		var errs bytes.Buffer
		app := &cli.App{Context: t.Context(), Stdout: &errs, Stderr: &errs}
		code := cli.Run(app, "prog", nil, &struct{}{}, func(*cli.App) error {
			return fmt.Errorf("wrapped: %w", cli.LoadYAML(file, &config{}))
		})
		require.Equal(t, 2, code, errs.String())
		require.Contains(t, errs.String(), file)
	}
}

// TestLoadYAMLNamesEveryFault: of keys, of values and of the checks; and what is good is read all the same.
func TestLoadYAMLNamesEveryFault(t *testing.T) {
	file := write(t, "lisen: a\nidle: soon\naccess: access.yaml\ntrust:\n  crls: x\n  oscp: {nonce: true}\n  state: "+
		"s\nidentity:\n")
	var cfg config
	err := cli.LoadYAML(file, &cfg, func() error {
		return errors.Join(errors.New("one"), errors.Join(errors.New("two"),
			nil))
	},
		func() error { return nil }, func() error {
			return fmt.Errorf("three: %w", errors.Join(errors.New("a"),
				errors.New("b")))
		})
	require.True(t, cli.Usable(err))
	var said []string
	for _, fault := range cli.FaultsOf(err) {
		said = append(said, fault.Error())
	}
	require.Equal(t, []string{`line 1: unknown key "lisen"`, `line 2: "idle" is no time such as 90s or 5m: "soon"`,
		`line 5: "trust.crls" is no list: want [ONE, ANOTHER], or lines that begin with a dash`,
		`line 6: unknown key "trust.oscp"`,
		`line 8: "identity" has no value: write one, or leave the key out`, "one", "two", "three: a\nb"}, said)
	require.ErrorContains(t, err, file+": 8 faults\n  line 1: unknown key")
	require.Equal(t, cli.Path(filepath.Join(filepath.Dir(file), "access.yaml")), cfg.Access)
	require.Equal(t, cli.Path(filepath.Join(filepath.Dir(file), "s")), cfg.Trust.State, "what is right beside it is "+
		"read")
	require.NoError(t, cli.LoadYAML(write(t, "listen: a\n"), &cfg, func() error { return nil }))
	require.Empty(t, cli.FaultsOf(nil))
}

func TestCheckListen(t *testing.T) {
	for text, says := range map[string]string{":8443": "", "127.0.0.1:0": "", "": "listen is missing",
		"x": "cannot use listen", ":70000": "from 1 to 65535", "*:1": "leave it out"} {
		if err := cli.CheckListen("listen", text); says != "" {
			require.ErrorContains(t, err, says, text)
		} else {
			require.NoError(t, err)
		}
	}
}

func write(t *testing.T, text string) string {
	file := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}
