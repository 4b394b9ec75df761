// Package suite compares programs with the test suites of other projects. Each deviation is listed once, in a table of
// docs/conformance.md, with the program's verdict and why; a test fails when the table and the program differ.
package suite

import (
	"encoding/pem"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Data returns where the data of a suite is, from an environment variable (make conformance), or skips the test.
func Data(t *testing.T, variable string) string {
	where := os.Getenv(variable)
	if where == "" {
		t.Skipf("%s names no data of that suite (docs/conformance.md says where it comes from)", variable)
	}
	return where
}

// Accepted is the verdict on what passes; any other verdict is the reason of a refusal.
const Accepted = "accepted"

// Vector is a case of a suite.
type Vector struct {
	Name   string
	Accept bool          // what the suite wants
	Judge  func() string // returns the program's verdict
}

// Run judges each vector. The deviations must be exactly those that docs, the path of docs/conformance.md, lists under
// that heading.
func Run(t *testing.T, docs, heading string, vectors []Vector) {
	require.NotEmpty(t, vectors)
	known := deviations(t, docs, heading)
	right, deviating := 0, 0
	for _, v := range vectors {
		says := v.Judge()
		why, listed := known[v.Name]
		delete(known, v.Name)
		switch fits := (says == Accepted) == v.Accept; {
		case fits && listed:
			t.Errorf("%s is judged rightly: take it off the table", v.Name)
		case fits:
			right++
		case !listed:
			t.Errorf("%s: %s, which is wrong, and is not in the table", v.Name, says)
		case why != says:
			t.Errorf("%s: %s, where the table says %s", v.Name, says, why)
		default:
			deviating++
		}
	}
	require.Empty(t, known, "the table lists what the suite does not have")
	t.Logf("%s: right %d, deviating %d (each explained), of %d", heading, right, deviating, len(vectors))
}

var inBackticks = regexp.MustCompile("`([^`]+)`")

// deviations returns the reasons by name, from the rows "| `name`, `name` | `reason` | why |" under a heading.
func deviations(t *testing.T, docs, heading string) map[string]string {
	text, err := os.ReadFile(docs)
	require.NoError(t, err)
	_, section, found := strings.Cut(string(text), "\n## "+heading+"\n")
	require.True(t, found, "%s has no heading %q", docs, heading)
	section, _, _ = strings.Cut(section, "\n## ")
	list := map[string]string{}
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || !strings.Contains(cells[1], "`") {
			continue
		}
		for _, name := range inBackticks.FindAllStringSubmatch(cells[1], -1) {
			list[name[1]] = strings.Trim(cells[2], " `")
		}
	}
	return list
}

// WritePEM writes DER as PEM blocks of one type, and returns the file's name.
func WritePEM(t *testing.T, file, kind string, ders ...[]byte) string {
	var text []byte
	for _, der := range ders {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})...)
	}
	require.NoError(t, os.WriteFile(file, text, 0o600))
	return file
}

// Blocks returns the PEM blocks of a file by their type, of each type the last.
func Blocks(t *testing.T, file string) map[string][]byte {
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	blocks := map[string][]byte{}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		blocks[block.Type] = block.Bytes
	}
	return blocks
}

// Glob returns the files of a suite whose path below where matches, at least one.
func Glob(t *testing.T, where, pattern string) []string {
	files, err := filepath.Glob(filepath.Join(where, pattern))
	require.NoError(t, err)
	require.NotEmpty(t, files, "%s holds no %s", where, pattern)
	return files
}
