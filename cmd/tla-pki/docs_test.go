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
	"tla-pki whoami": withOfficers,
	`tla-pki crl --dir "$CA" --clock-is-right`: `kill $server
wait $server
`,
	"tla-pki propose": serving + `trap 'kill $server' EXIT
`,
}

// serving starts the server, and waits until officers can come.
const serving = `tla-pki serve --config pki.yaml &
server=$!
until [ -S officers.sock ]; do sleep 0.05; done
`

// withOfficers starts a server with the officers of section 6 of ca.md; the clock's section ends it.
const withOfficers = `tla-pki issue -d "$CA" -p pki -i urn:tlagate:operateur:pki:p1 --dns localhost --new-key -o pki
tla-pki issue -d "$CA" -p tla -i urn:tlagate:cabinet-a:tla:valise2 --new-key -o valise2
trust="trust: {anchors: [{file: $CA/public/root.crt, practices: ['*']}], crls: [$CA/public/crl.der, $CA/public/arl.der]}"
printf '%s\n' "dir: $CA" 'listen: 127.0.0.1:0' 'identity: {cert: pki.crt, key: pki.key}' "$trust" \
	'officers: {socket: officers.sock}' 'admins:' >pki.yaml
officer() {
	tla-pki issue -d "$CA" -p admin -i "urn:tlagate:operateur:admin:$1" --new-key -o "$1"
	printf '%s\n' 'pki: unix:officers.sock' "identity: {cert: $1.crt, key: $1.key}" "$trust" >"$1.yaml"
	echo "  - {identity: 'urn:tlagate:operateur:admin:$1', roles: [$2]}" >>pki.yaml
}
officer claire 'read, enrol'
officer paul 'read, security'
officer aude audit
` + serving

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
