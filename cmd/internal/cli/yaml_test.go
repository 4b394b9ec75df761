package cli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/cmd/internal/cli"
)

// bomb returns YAML whose nested aliases unfold to 10^depth values.
func bomb(depth int) string {
	var b strings.Builder
	b.WriteString("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n")
	for i := 1; i < depth; i++ {
		fmt.Fprintf(&b, "a%d: &a%d [%s]\n", i, i, strings.Repeat(fmt.Sprintf("*a%d,", i-1), 10))
	}
	return b.String()
}

// hostile are files of the greatest length that once took for ever, or whose like might.
func hostile() map[string]string {
	const most = 256 << 10
	return map[string]string{
		"aliases":       bomb(60),
		"wide aliases":  "a: &a [" + strings.Repeat("x,", most/4) + "]\nb: [" + strings.Repeat("*a,", most/6) + "]\n",
		"equal keys":    strings.Repeat("listen: a\n", most/10),
		"equal below":   "trust:\n" + strings.Repeat(" ocsp: {}\n", most/10-1),
		"nesting":       strings.Repeat("[", most),
		"nested maps":   strings.Repeat("{a: ", most/4),
		"nested blocks": strings.Repeat("- ", most/2),
		"keys of keys":  strings.Repeat("? ", most/2),
		"other keys":    manyKeys(most / 10),
	}
}

func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "k%d: a\n", i)
	}
	return b.String()
}

// TestYAMLEnds: no file takes time out of proportion to its length. If one did, the test would hang.
func TestYAMLEnds(t *testing.T) {
	for name, text := range hostile() {
		file := filepath.Join(t.TempDir(), "hostile.yaml")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		require.Error(t, cli.LoadYAML(file, &config{}), name)
		if name != "other keys" {
			_, err := cli.LoadPlain(file)
			require.ErrorContains(t, err, file, name)
		}
	}
}

// An alias stands for what its anchor does.
func TestLoadYAMLTakesAliases(t *testing.T) {
	var cfg config
	require.NoError(t, cli.LoadYAML(write(t, "listen: &a x\naccess: *a\n"), &cfg))
	require.Equal(t, "x", cfg.Listen)
	require.Contains(t, cfg.Access, "/x")
	value, err := cli.LoadPlain(write(t, "a: &a [1, 2]\nb: *a\n"))
	require.NoError(t, err)
	require.Equal(t, map[string]any{"a": []any{int64(1), int64(2)}, "b": []any{int64(1), int64(2)}}, value)
}

// What has no value is a slip, in a list, in a map and by an alias too.
func TestLoadYAMLRefusesWhatHasNoValue(t *testing.T) {
	type section struct{ A string }
	for text, says := range map[string]string{
		"paths: [~, a.pem]":          `line 1: "paths[0]" has no value: write one, or leave the item out`,
		"paths:\n- a.pem\n-\n":       `line 3: "paths[1]" has no value`,
		"sections: [{a: x}, null]":   `line 1: "sections[1]" has no value`,
		"servers: [~, gw.example:1]": `line 1: "servers[0]" has no value`,
		"pointers: [~]":              `line 1: "pointers[0]" has no value`,
		"deep: [[a], [~]]":           `line 1: "deep[1][0]" has no value`,
		"map: {x: }":                 `line 1: "map.x" has no value: write one, or leave the key out`,
		"map: {x: &n ~, y: *n}":      `line 1: "map.y" has no value`,
	} {
		var c struct {
			Paths    []cli.Path
			Sections []section
			Servers  cli.Servers
			Pointers []*section
			Deep     [][]string
			Map      map[string]string
		}
		require.ErrorContains(t, cli.LoadYAML(write(t, text), &c), says, text)
	}
}

// A bundle's policy is the one that policy test judges, however a boolean is written.
func TestLoadPlainReadsBooleansAsLoadYAMLDoes(t *testing.T) {
	const text = "[true, True, TRUE, false, False, FALSE, !!bool true, !<tag:yaml.org,2002:bool> True]"
	var typed struct{ A []bool }
	file := write(t, "a: "+text+"\n")
	require.NoError(t, cli.LoadYAML(file, &typed))
	require.Equal(t, []bool{true, true, true, false, false, false, true, true}, typed.A)
	value, err := cli.LoadPlain(file)
	require.NoError(t, err)
	for i, v := range value.(map[string]any)["a"].([]any) {
		require.Equal(t, typed.A[i], v, i)
	}
	_, err = cli.LoadPlain(write(t, "a: 1\nb: !!bool maybe\n"))
	require.ErrorContains(t, err, `line 2: neither true nor false: "maybe"`)
}

// BenchmarkYAML measures what each hostile shape costs; none should be far from the others.
func BenchmarkYAML(b *testing.B) {
	for name, text := range hostile() {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if cli.DecodeYAML([]byte(text), &config{}) == nil {
					b.Fatal("taken")
				}
			}
		})
	}
}

func TestLoadPlain(t *testing.T) {
	value, err := cli.LoadPlain(write(t, "n: 7\nhex: 0A\noctal: 00\nyes: true\nnone: null\nlist: [{a: b}]\n"))
	require.NoError(t, err)
	require.Equal(t, map[string]any{
		"n": int64(7), "hex": "0A", "octal": "00", "yes": true, "none": nil, "list": []any{map[string]any{"a": "b"}},
	}, value)
	for text, says := range map[string]string{
		"": "it is empty", "a: 1\na: 2\n": `line 2: "a" already defined at line 1`,
	} {
		_, err := cli.LoadPlain(write(t, text))
		require.ErrorContains(t, err, says)
	}
	_, err = cli.LoadPlain(filepath.Join(t.TempDir(), "nowhere"))
	require.ErrorIs(t, err, os.ErrNotExist)
}
