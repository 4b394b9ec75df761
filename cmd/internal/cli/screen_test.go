package cli_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/cmd/internal/cli"
)

func TestScreenWritesOutWhatATerminalActsOn(t *testing.T) {
	for text, want := range map[string]string{
		"":                            "",
		"cannot\tread \"é\\n…\"\n- 7": "cannot\tread \"é\\n…\"\n- 7",
		"a\x1b[31mb\r\a\x7f":          `a\x1b[31mb\r\a\x7f`,
		"\u009b31m \u202e \u200b":     `\u009b31m \u202e \u200b`,
		"caf\xe9 \ufffd":              `caf\xe9 ` + "\ufffd",
		"Week\u00a0end":               "Week\u00a0end",
	} {
		require.Equal(t, want, cli.Screen(text))
	}
}

func TestLineIsOneLine(t *testing.T) {
	require.Equal(t, `a b \x1b[1m c`, cli.Line(" a\n\tb \x1b[1m\r\nc\u2028"))
}

func TestRunPrintsErrorsForATerminal(t *testing.T) {
	code, _, stderr := run(t, &grammar{}, "work", "--file", "f", "a\x1b[31mb")
	require.Equal(t, 2, code)
	require.Contains(t, stderr, `a\x1b[31mb`)
	require.NotContains(t, stderr, "\x1b")
}
