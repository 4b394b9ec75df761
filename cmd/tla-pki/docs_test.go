package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"tlagate/integration/pages"
)

// What the documents about the CA tell operators to type is typed here, in that order: G2, G8, SP2.
// What a reader has by then, this script makes before the section that needs it.
func TestG2SP2DocsCommands(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, page := range pages.CA {
		blocks, err := pages.Commands("../..", page, false)
		require.NoError(t, err)
		commands := script(blocks)
		require.Greater(t, strings.Count(commands, "\n"), 30, page)
		text := "mkdir root-1 root-2 carry safe web\nexec bash -eux commands.sh\nstderr 'cACompromise'\n" +
			"-- commands.sh --\n" + commands
		name := strings.ReplaceAll(strings.TrimSuffix(page, ".md"), "/", "-")
		require.NoError(t, os.WriteFile(filepath.Join(dir, name+".txtar"), []byte(text), 0o600))
	}
	testscript.Run(t, testscript.Params{Dir: dir, Setup: func(env *testscript.Env) error {
		for name, value := range map[string]string{
			"CA": "ca", "OFFLINE": "offline", "ROOT1": "root-1", "ROOT2": "root-2",
			"CARRY": "carry", "SAFE": "safe", "WEB": "web",
		} {
			env.Setenv(name, value)
		}
		return nil
	}})
}

// ofTheDay begins the backup of the day; its name is the time.
const ofTheDay = `tla-pki backup --dir "$CA" --to "$CARRY/$(date`

// meanwhile is what happens before a command that begins so, at its first time.
var meanwhile = map[string]string{
	// The backup of the day has good and revoked; what comes after it is only in the world.
	ofTheDay: issue("good", "revoked", "doubtful", "valise"),
	`rm -rf "$CA"`: issue("later") + `tla-pki revoke -d "$CA" --cert revoked.crt --reason keyCompromise
cp "$CA"/public/*.der "$WEB"
`,
}

// regular begin the blocks that the calendar asks for again and again: they are typed again, a day later.
var regular = []string{ofTheDay, `newest=`, `rm -f "$CARRY/for-arl.age"`, `rm -rf "$OFFLINE"`, `openssl crl `}

const tomorrow = "date() { command date --date=tomorrow \"$@\"; }\n%sunset -f date\n"

func issue(names ...string) (script string) {
	for _, name := range names {
		script += fmt.Sprintf(`tla-pki issue -d "$CA" -p tla -i urn:tlagate:cabinet-a:tla:%[1]s --new-key -o %[1]s
`, name)
	}
	return script
}

// script returns the blocks as one script.
func script(blocks []pages.Block) (commands string) {
	done := map[string]bool{}
	for _, b := range blocks {
		typed := ""
		for line := range strings.Lines(b.Text) {
			typed += strict(line)
		}
		for start, before := range meanwhile {
			if strings.HasPrefix(typed, start) && !done[start] {
				commands, done[start] = commands+before, true
			}
		}
		commands += typed
		if slices.ContainsFunc(regular, func(start string) bool { return strings.HasPrefix(typed, start) }) {
			commands += fmt.Sprintf(tomorrow, typed)
		}
	}
	return commands
}

// strict has a failure that should be one, and is none, end the script: the shell's -e overlooks it.
func strict(line string) string {
	if command, failing := strings.CutPrefix(line, "! "); failing {
		return "if " + strings.TrimSuffix(command, "\n") + "; then false; fi\n"
	}
	return line
}
