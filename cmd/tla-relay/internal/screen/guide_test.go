package screen

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/cmd/tla-relay/internal/words"
)

// TestGuideShowsTheScreens: the screens of the professional's guide are those of the program.
func TestGuideShowsTheScreens(t *testing.T) {
	guide, err := os.ReadFile("../../../../docs/fr/guide-ps.md")
	require.NoError(t, err)
	real, err := os.ReadFile("testdata/ui/fr-40x12.txt")
	require.NoError(t, err)
	shown := regexp.MustCompile("(?s)```text\n(.*?)```\n").FindAllStringSubmatch(string(guide), -1)
	require.Greater(t, len(shown), 4)
	for _, s := range shown {
		require.Contains(t, string(real), "\n"+s[1], "copy the screen from testdata/ui/fr-40x12.txt")
	}
	for _, w := range words.StateWords {
		if word := words.French.Say(w, nil); word != "TEST" {
			require.Contains(t, strings.ToUpper(string(guide)), word)
		}
	}
}
