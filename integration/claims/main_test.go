package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPagesHaveTheseRows: each figure on a page has the words and the command of the list, so that `make claims` can
// make it again.
func TestPagesHaveTheseRows(t *testing.T) {
	for _, p := range pages {
		data, err := os.ReadFile(filepath.Join("../..", p.file))
		require.NoError(t, err)
		for _, c := range p.claims {
			require.True(t, bytes.Contains(data, []byte("`"+c.how+"`")), "%s does not name the command %s", p.file,
				c.how)
			for i, r := range c.rows {
				require.True(t, r.standsIn(data, c.cell(i)), "%s has no such row: %s", p.file,
					r.line("FIGURE", c.cell(i)))
			}
		}
	}
}

// standsIn reports whether a page has the row, with any figure.
func (r row) standsIn(page []byte, how string) bool {
	line := strings.Replace(regexp.QuoteMeta(r.line("FIGURE", how)), "FIGURE", ".*[0-9].*", 1)
	return regexp.MustCompile("(?m)^" + line + "$").Match(page)
}

// TestNoBenchmarkOnAPageIsForgotten: each command with -bench that a page names is in the list.
func TestNoBenchmarkOnAPageIsForgotten(t *testing.T) {
	docs, err := filepath.Glob("../../docs/*.md")
	require.NoError(t, err)
	for _, file := range append(docs, "../../README.md") {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, found := range regexp.MustCompile("`[^`\n]*-bench [^`]*`").FindAllString(string(data), -1) {
			require.True(t, listed(strings.Trim(found, "`")), "%s: %s is not in the list", file, found)
		}
	}
}

func listed(command string) bool {
	for _, p := range pages {
		for _, c := range p.claims {
			if c.how == command {
				return true
			}
		}
	}
	return false
}

func TestFiguresAreFound(t *testing.T) {
	claims := []page{{"x.md", []claim{
		{how: "printf 'a 12 ms b 3 MB\\n'", small: "echo a 1 ms b 2 MB", rows: []row{{"time", `a (\d+) ms`, "$1 ms"},
			{"size", `(\d+) MB`, "$1 MB"}}},
		{how: "echo '| whole |'", small: "echo '| part |'"},
	}}}
	for small, want := range map[bool]string{
		false: "x.md:\n\n| time | 12 ms | `printf 'a 12 ms b 3 MB\\n'` |\n| size | 3 MB | |\n| whole |\n\n\n",
		true:  "x.md:\n\n| time | 1 ms | `printf 'a 12 ms b 3 MB\\n'` |\n| size | 2 MB | |\n| part |\n\n\n",
	} {
		var out bytes.Buffer
		require.NoError(t, run(&out, claims, small))
		require.Equal(t, want, out.String())
	}
	claims[0].claims[0].small = "echo nothing"
	require.ErrorContains(t, run(new(bytes.Buffer), claims, true),
		`cannot make the figures of x.md: printf 'a 12 ms b 3 MB\n': cannot find "time"`)
	claims[0].claims[0].small = "exit 3"
	require.ErrorContains(t, run(new(bytes.Buffer), claims, true), "exit status 3")
}
