package tlagate_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const faultsPage = "docs/operate.md"

// faultRow is a row of the table: what fails, what everybody sees and does, and the tests that show it.
type faultRow struct {
	fault, professional, operator string
	tests                         []string
}

// faultRows returns the rows of the section "When something fails".
func faultRows(t *testing.T) (rows []faultRow) {
	t.Helper()
	text, err := os.ReadFile(faultsPage)
	require.NoError(t, err)
	_, section, found := strings.Cut(string(text), "## When something fails\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 8 || strings.HasPrefix(cells[1], "---") || strings.Contains(line, "| shown by |") {
			continue
		}
		rows = append(rows, faultRow{strings.Trim(cells[1], " *"), cells[2], cells[3] + cells[4] + cells[5],
			quoted(cells[6])})
	}
	require.Greater(t, len(rows), 10)
	return rows
}

// quoted returns what a text has in code.
func quoted(text string) (all []string) {
	for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(text, -1) {
		all = append(all, m[1])
	}
	return all
}

// testsOfFaults returns the tests that say in their comment which fault they are of, by fault.
func testsOfFaults(t *testing.T) map[string][]string {
	t.Helper()
	found, marked := map[string][]string{}, regexp.MustCompile(`(?m)^Fault: (.+)\.$`)
	for _, name := range testFiles(t) {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Doc == nil {
				continue
			}
			for _, m := range marked.FindAllStringSubmatch(f.Doc.Text(), -1) {
				found[m[1]] = append(found[m[1]], f.Name.Name)
			}
		}
	}
	return found
}

// testFiles returns the names of our files of tests.
func testFiles(t *testing.T) (names []string) {
	t.Helper()
	require.NoError(t, fs.WalkDir(os.DirFS("."), ".", func(name string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(name, "_test.go") {
			names = append(names, filepath.FromSlash(name))
		}
		return err
	}))
	return names
}

// TestG8EachFaultIsShown: the table of what fails names the tests that say, by "Fault:" in their comment, that they are
// of it, and no others.
func TestG8EachFaultIsShown(t *testing.T) {
	rows, tests := faultRows(t), testsOfFaults(t)
	for _, r := range rows {
		slices.Sort(r.tests)
		slices.Sort(tests[r.fault])
		require.Equal(t, tests[r.fault], r.tests, r.fault)
		delete(tests, r.fault)
	}
	require.Empty(t, slices.Sorted(maps.Keys(tests)), "faults without a row")
}

// TestG8FaultsAreToldInOurWords: what the table quotes is what the programs say: sentences of the terminal, metrics,
// alerts, events and messages of logs.
func TestG8FaultsAreToldInOurWords(t *testing.T) {
	source := strings.Join(slices.Collect(maps.Values(sourceFiles(t))), "\n")
	joined := regexp.MustCompile(`" \+\n\s*"`).ReplaceAllString(source, "")
	alerts, err := os.ReadFile(rulesFile)
	require.NoError(t, err)
	spoken := regexp.MustCompile(`« ([^»]+) »`)
	for _, r := range faultRows(t) {
		for _, m := range spoken.FindAllStringSubmatch(r.professional, -1) {
			require.Contains(t, joined, strings.TrimSuffix(m[1], "."), "%s: no program says it", r.fault)
		}
		for _, word := range quoted(r.operator) {
			switch {
			case strings.HasPrefix(word, "Tlagate"):
				require.Contains(t, string(alerts), "alert: "+word, r.fault)
			case !strings.HasPrefix(word, "tla-"):
				require.Contains(t, joined, word, "%s: no program has that word", r.fault)
			}
		}
	}
}
