package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
	"tlagate/integration/pages"
	"tlagate/integration/world"
)

// TestG8AnOperatorsDay types what docs/operate.md says, in one shell, from afar and with a key in a token, while a
// terminal has a session. K7M2 is replaced by what the professional's screen says.
func TestG8AnOperatorsDay(t *testing.T) {
	l := newOperatedLab(t)
	require.NoError(t, os.Symlink(l.claire.Config, l.Path("operator.yaml")))
	startSession(t, l.Lab)
	root, err := world.ModuleRoot()
	require.NoError(t, err)
	blocks, err := pages.Commands(root, pages.Operate[0], true)
	require.NoError(t, err)
	require.Greater(t, len(blocks), 10)
	program, err := l.Binary("tla-gateway")
	require.NoError(t, err)
	env := []string{l.claire.Env(), "PATH=" + filepath.Dir(program) + ":" + os.Getenv("PATH")}
	require.NoError(t, os.WriteFile(l.Path("kept"), []byte("session= TLAGATE_OPERATOR=\n"), 0o600))
	for _, b := range blocks {
		text := b.Text
		if strings.Contains(text, "K7M2") {
			text = strings.ReplaceAll(text, "K7M2", l.lastIncident())
		}
		script := "set -eu -o pipefail\ncd " + l.Dir + "\n. ./kept\n" + text +
			"declare -p session TLAGATE_OPERATOR >kept\n"
		out, err := world.Type(world.Patience, "", env, "bash", "-c", script)
		require.NoError(t, err, "%v:\n%s\nsaid:\n%s", b, b.Text, out)
	}
	var did []string
	for _, act := range l.acts() {
		require.Equal(t, l.claire.Identity, act.By)
		did = append(did, act.With["act"])
	}
	require.Equal(t, []string{"end", "incident", "deny", "allow", "drain", "resume", "deny",
		"hold", "release", "allow"}, did)
}

// lastIncident returns the number of the session's end that the professional was told, once it is in the trace, where
// it may come a moment after the command that ended the session.
func (l *operatedLab) lastIncident() (number string) {
	require.Eventually(l.t, func() bool {
		events, _ := traced(l.t, l.Path("gateway.jsonl"), 0)
		for _, e := range events {
			if e.Event == audit.SessionEnded {
				number = e.With["incident"]
			}
		}
		return number != ""
	}, patience, 10*time.Millisecond)
	return number
}
