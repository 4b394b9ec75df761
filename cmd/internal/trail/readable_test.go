package trail

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
)

// TestG7EntriesFitTheScreen: an entry is one line where it can be searched for; on a screen it is broken between words,
// which leaves the words as they are.
func TestG7EntriesFitTheScreen(t *testing.T) {
	e := audit.Entry{At: "2026-11-24T08:30:00.123Z", Seq: 123456, Event: audit.SessionOpened, By: "tla-gateway",
		With: map[string]string{"identity": "urn:tlagate:cabinet-demo:tla:valise", "address": "255.255.255.255",
			"pdt": "urn:tlagate:cabinet-demo:pdt:bureau", "session": strings.Repeat("0f", 16), "reason": "é  é"}}
	whole := Readable(e, 0)
	require.NotContains(t, whole, "\n")
	folded := Readable(e, 80)
	for line := range strings.Lines(folded) {
		require.LessOrEqual(t, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")), 80, line)
	}
	require.Equal(t, whole, strings.ReplaceAll(folded, "\n    ", "  "))
	require.Len(t, strings.Split(Readable(e, 20), "\n    "), 8, "a word that is wider than the screen stands alone")
}
