package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"
)

// What the documents about the CA tell operators to type is typed here, in that order: G2, G8, SP2.
// What a reader has by then, this script makes before the section that needs it.
func TestG2SP2DocsCommands(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, doc := range []string{"ca.md", "fr/guide-exploitation.md"} {
		text, err := os.ReadFile(filepath.Join("../../docs", doc))
		require.NoError(t, err)
		commands, n := codeBlocks(string(text))
		require.Greater(t, n, 30, doc)
		script := fmt.Sprintf("mkdir root-1 root-2 carry safe web\nexec bash -eux commands.sh\nstderr 'cACompromise'\n-- commands.sh --\n%s", commands)
		name := strings.ReplaceAll(strings.TrimSuffix(doc, ".md"), "/", "-")
		require.NoError(t, os.WriteFile(filepath.Join(dir, name+".txtar"), []byte(script), 0o600))
	}
	testscript.Run(t, testscript.Params{Dir: dir, Setup: func(env *testscript.Env) error {
		for name, value := range map[string]string{"CA": "ca", "OFFLINE": "offline", "ROOT1": "root-1", "ROOT2": "root-2", "CARRY": "carry", "SAFE": "safe", "WEB": "web"} {
			env.Setenv(name, value)
		}
		return nil
	}})
}

// meanwhile is what happens before a command that begins so, at its first time.
var meanwhile = map[string]string{
	// The backup of the day has good and revoked; what comes after it is only in the world.
	`tla-pki backup --dir "$CA" --to "$CARRY/daily.age"`: issue("good", "revoked", "doubtful", "valise"),
	`rm -rf "$CA"`: issue("later") + `tla-pki revoke -d "$CA" --cert revoked.crt --reason keyCompromise
cp "$CA"/public/*.der "$WEB"
`,
}

func issue(names ...string) (script string) {
	for _, name := range names {
		script += fmt.Sprintf("tla-pki issue -d \"$CA\" -p tla -i urn:tlagate:cabinet-a:tla:%[1]s --new-key -o %[1]s\n", name)
	}
	return script
}

// blocks gives the lines of the sh blocks, and how many there are.
func codeBlocks(text string) (commands string, n int) {
	inside, done := false, map[string]bool{}
	for line := range strings.Lines(text) {
		switch {
		case strings.HasPrefix(line, "```"):
			inside = line == "```sh\n"
		case inside:
			for start, before := range meanwhile {
				if strings.HasPrefix(line, start) && !done[start] {
					commands, done[start] = commands+before, true
				}
			}
			if strings.HasPrefix(line, "! ") { // the shell's -e overlooks a failure that should be none
				line = "if " + strings.TrimSuffix(line[2:], "\n") + "; then false; fi\n"
			}
			commands += line
			n++
		}
	}
	return commands, n
}
