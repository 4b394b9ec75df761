package api

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/internal/acts"
)

// TestG7ThePageHasTheTables: docs/api.md has each route, each role's actions and each problem.
func TestG7ThePageHasTheTables(t *testing.T) {
	page, err := os.ReadFile("../../docs/api.md")
	require.NoError(t, err)
	text := string(page)
	for _, to := range routes {
		require.Contains(t, text, "`"+to.path+"`", "%s %s", to.method, to.path)
	}
	for _, code := range []Code{BadRequest, Unproven, Forbidden, CrossSite, NotFound, MethodNotAllowed, Conflict,
		TooLarge, WrongType, KeyReused, TooMany, TraceFull, Failed} {
		require.Contains(t, text, fmt.Sprintf("\n| `%s` | %d |", code, acts.Statuses[code]))
	}
	_, table, _ := strings.Cut(text, "## Roles\n")
	table, _, _ = strings.Cut(table, "\n*enrol*")
	for _, action := range Actions {
		cells := rowOf(table, "`"+string(action)+"`")
		require.Len(t, cells, 2+len(Roles)+1, action)
		for i, role := range Roles {
			require.Equal(t, slices.Contains(may[action], role), strings.TrimSpace(cells[2+i]) == "yes", "%s %s", role,
				action)
		}
	}
}

// rowOf returns the cells of the row that has a word in its first one.
func rowOf(table, word string) []string {
	for line := range strings.Lines(table) {
		if cells := strings.Split(strings.TrimSpace(line), "|"); len(cells) > 2 && strings.Contains(cells[1], word) {
			return cells
		}
	}
	return nil
}
