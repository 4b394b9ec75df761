package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDriverConfigurationIsRefused(t *testing.T) {
	for extra, want := range map[string]string{
		"driver: {pcscd: [no-such-account]}": `no account "no-such-account"`,
		"driver: {prefix: \"a/b\"}":          `name a reader "a/b Vitale"`,
		"driver: {socket: \"/run/a b\"}":     `"/run/a b" as the reader driver's socket`,
		"driver: {port: 35963}":              `unknown key "driver.port"`,
	} {
		code, _, stderr := command(t.Context(), "run", "-c", deployment(t, extra))
		require.Equal(t, 2, code)
		require.Contains(t, stderr, want)
	}
}

func TestReadersAreThoseOfTheExample(t *testing.T) {
	want, err := os.ReadFile("../../deploy/examples/reader.conf")
	require.NoError(t, err)
	code, stdout, stderr := command(t.Context(), "readers", "-c", "../../deploy/examples/pdt.yaml")
	require.Zero(t, code, stderr)
	require.Equal(t, string(want), stdout)
}

// TestReadersAreOnlyAppended: a Poste de Travail that comes or goes renames no reader of the others.
func TestReadersAreOnlyAppended(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tlagate")
	one := deployment(t, "driver: {socket: /run/one/r, prefix: one}")
	two := deployment(t, "driver: {socket: /run/two/r, prefix: two}")
	readers := func(args ...string) string {
		args = append([]string{"readers", "--owner", "x", "--output", file}, args...)
		code, stdout, stderr := command(t.Context(), args...)
		require.Zero(t, code, stderr)
		require.Empty(t, stdout)
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		return string(text)
	}
	first := readers("-c", one)
	both := readers("-c", two, "--after", file)
	require.True(t, strings.HasPrefix(both, first))
	require.Equal(t, both, readers("-c", one, "--after", file), "it is there already")
	without := readers("-c", one, "--after", file, "--remove")
	require.NotContains(t, without, "/run/one/r")
	require.Equal(t, 2, strings.Count(without, "DEVICENAME ifd:none"))
	require.Equal(t, 4, strings.Count(without, "FRIENDLYNAME"))
	require.Contains(t, without, "two Vitale")
}

// TestReadersAreNotLostByMistake: others would get other names if the readers that there are were forgotten.
func TestReadersAreNotLostByMistake(t *testing.T) {
	one, empty := deployment(t, ""), filepath.Join(t.TempDir(), "tlagate")
	require.NoError(t, os.WriteFile(empty, nil, 0o600)) // as a shell does for: --after FILE >FILE
	for want, args := range map[string][]string{
		"use --output, not >":    {"--after", empty},
		"no such file":           {"--after", empty + "x"},
		"name the file that has": {"--remove"},
	} {
		code, stdout, stderr := command(t.Context(), append([]string{"readers", "-c", one}, args...)...)
		require.NotZero(t, code)
		require.Empty(t, stdout)
		require.Contains(t, stderr, want)
	}
}
