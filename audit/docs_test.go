package audit

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEL1DocumentedTables: docs/audit.md has the rows of the code, and no others.
func TestEL1DocumentedTables(t *testing.T) {
	raw, err := os.ReadFile("../docs/audit.md")
	require.NoError(t, err)
	want := map[string]bool{}
	for _, m := range kinds {
		want[fmt.Sprintf("| `%s` | %s | %s |", m.Kind, m.Code, m.Sentence)] = true
	}
	require.Equal(t, want, rowsOf(string(raw), "## Events"))
	want = map[string]bool{}
	for name, meaning := range attrNames {
		want[fmt.Sprintf("| `%s` | %s |", name, meaning)] = true
	}
	require.Equal(t, want, rowsOf(string(raw), "## Attributes"))
}

// rowsOf returns the rows of a section that begin with a name.
func rowsOf(text, section string) map[string]bool {
	_, text, _ = strings.Cut(text, section+"\n")
	text, _, _ = strings.Cut(text, "\n## ")
	rows := map[string]bool{}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "| `") {
			rows[strings.TrimSpace(line)] = true
		}
	}
	return rows
}

// TestEL1EveryKindIsInTheTable: each constant of type Kind has one row.
func TestEL1EveryKindIsInTheTable(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "kinds.go", nil, 0)
	require.NoError(t, err)
	constants := 0
	ast.Inspect(file, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok {
			if id, ok := v.Type.(*ast.Ident); ok && id.Name == "Kind" {
				constants += len(v.Names)
			}
		}
		return true
	})
	seen := map[Kind]bool{}
	for _, m := range kinds {
		seen[m.Kind] = true
		require.Regexp(t, `^[a-z]+(\.[a-z]+)+$`, string(m.Kind))
		require.NotEmpty(t, m.Code)
		require.True(t, strings.HasSuffix(m.Sentence, "."))
	}
	require.Len(t, seen, constants)
	require.Len(t, kinds, constants)
}
