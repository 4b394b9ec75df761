package pages

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

const root = "../.."

// documents returns README, every page of docs, and the drop-ins for the terminal.
func documents(t *testing.T) []string {
	list := []string{"README.md", "SECURITY.md", "CONTRIBUTING.md"}
	require.NoError(t, fs.WalkDir(os.DirFS(root), "docs", func(name string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(name, ".md") {
			list = append(list, name)
		}
		return err
	}))
	dropIns, err := fs.Glob(os.DirFS(root), "deploy/relay/examples/*.conf")
	require.NoError(t, err)
	require.Greater(t, len(dropIns), 4)
	require.Greater(t, len(list), 10)
	return append(list, dropIns...)
}

// TestG8EveryBlockIsRunOrIsNoCommand: every block of commands is on a page that a test runs; every other block is what
// its language says, and has no line that a shell would take for a command.
func TestG8EveryBlockIsRunOrIsNoCommand(t *testing.T) {
	for _, page := range documents(t) {
		blocks, err := Read(root, page)
		require.NoError(t, err)
		for _, b := range blocks {
			require.NoError(t, judge(b), "%v", b)
		}
	}
}

func TestJudgeFindsWhatEscapes(t *testing.T) {
	for _, c := range []struct {
		want string
		Block
	}{
		{"no test runs it", Block{Page: "docs/new.md", Language: "sh"}},
		{"no test runs it", Block{Page: "docs/ca.md", Language: "sh", Machine: "gw1"}},
		{"a command, tla-relay", Block{Language: "text", Text: "picture\n  tla-relay start\n"}},
		{"a command, ls", Block{Language: "text", Text: "ls /etc\n"}},
		{"a command, cat", Block{Language: "text", Text: "$ cat /etc/passwd\n"}},
		{"a command, env", Block{Language: "text", Text: "LC_ALL=C env\n"}},
		{"its language", Block{Text: "picture\n"}},
		{"its language", Block{Language: "console", Text: "picture\n"}},
		{"mapping", Block{Language: "yaml", Text: "a: b: c\n"}},
		{"invalid character", Block{Language: "json", Text: "a\n"}},
	} {
		require.ErrorContains(t, judge(c.Block), c.want)
	}
	picture := " TLA ── TLS ──▶ gateway\n     tla$ tla-relay start\n"
	require.NoError(t, judge(Block{Language: "text", Text: picture}))
}

// TestTheListsNameWhatIsThere: each page in the lists has something to run.
func TestTheListsNameWhatIsThere(t *testing.T) {
	for _, page := range slices.Concat(CA, Trial, Setup, Operate) {
		require.NotEmpty(t, append(commands(t, page, true), commands(t, page, false)...), page)
	}
	for _, page := range CA {
		require.NotEmpty(t, commands(t, page, false), page)
	}
}

func commands(t *testing.T, page string, ofMachines bool) []Block {
	list, err := Commands(root, page, ofMachines)
	require.NoError(t, err)
	return list
}

func TestReadFindsAFenceThatIsNeverClosed(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "page.md"), []byte("a\n```sh gw1 tla-gateway\nls\n"), 0o600))
	_, err := Read(dir, "page.md")
	require.ErrorContains(t, err, "page.md:2")
}

// judge returns what is wrong with a block; nil = nothing.
func judge(b Block) error {
	switch b.Language {
	case "sh":
		return run(b)
	case "text":
		return noCommand(b.Text)
	case "yaml":
		return yaml.Unmarshal([]byte(b.Text), new(any))
	case "json":
		return json.Unmarshal([]byte(b.Text), new(any))
	case "ini":
		return nil
	}
	return complaint("its language is no sh, text, yaml, json or ini")
}

func run(b Block) error {
	lists := CA
	if b.Machine != "" {
		lists = slices.Concat(Trial, Setup, Operate)
	}
	if !slices.Contains(lists, b.Page) {
		return complaint("no test runs it: name its page in CA, Trial, Setup or Operate")
	}
	return nil
}

// noCommand returns an error if a line's first word, behind a prompt and variables, is a command.
func noCommand(text string) error {
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		for len(words) > 0 && (words[0] == "$" || words[0] == "#" || strings.Contains(words[0], "=")) {
			words = words[1:]
		}
		if len(words) > 0 && isCommand(words[0]) {
			return complaint("a command, " + words[0] + ": mark it as sh and the machine where it is typed")
		}
	}
	return nil
}

func isCommand(word string) bool {
	if strings.ContainsRune(word, '/') {
		return false
	}
	_, err := exec.LookPath(word)
	return err == nil || strings.HasPrefix(word, "tla-") && !strings.HasSuffix(word, ":")
}

type complaint string

func (c complaint) Error() string { return string(c) }
