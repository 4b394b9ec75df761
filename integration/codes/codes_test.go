package codes

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

const root = "../.."

var update = flag.Bool("update", false, "make docs/annexe7.md, and the count in README.md, from docs/annexe7.yaml")

// source is the source tree as Check sees it, read once.
var source = sync.OnceValues(func() (*checker, error) { return newChecker(root) })

func read(t *testing.T) []Row {
	t.Helper()
	rows, err := Read(root)
	require.NoError(t, err)
	return rows
}

// TestG3EverySentenceHasItsRow: and no row claims more than the source tree has.
func TestG3EverySentenceHasItsRow(t *testing.T) {
	require.Len(t, Identifiers(), sentenceCount)
	require.Len(t, read(t), sentenceCount)
	c, err := source()
	require.NoError(t, err)
	faults := c.check(read(t))
	require.Empty(t, faults, "\n%s", strings.Join(faults, "\n"))
}

// TestG3ThePageIsMadeFromTheRows: docs/annexe7.md is what Markdown makes of docs/annexe7.yaml.
func TestG3ThePageIsMadeFromTheRows(t *testing.T) {
	page := filepath.Join(root, Page)
	want := Markdown(read(t))
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(want), 0o644))
	}
	have, err := os.ReadFile(page)
	require.NoError(t, err)
	require.Equal(t, want, string(have), "make it again: go test ./integration/codes -update")
}

// TestG3FaultsAreFound: each row that claims too much is found, and named.
func TestG3FaultsAreFound(t *testing.T) {
	c, err := source()
	require.NoError(t, err)
	for want, change := range map[string]func(*Row){
		"this sentence has no row":             func(r *Row) { r.ID = "G9.1" },
		"G9.1: the annex has no such sentence": func(r *Row) { r.ID = "G9.1" },
		"there is no session.Nothing":          func(r *Row) { r.Functions = []string{"session.Nothing"} },
		"of that name: session.Terminal.Leave": func(r *Row) {
			r.Functions = []string{"pki.Terminal.Leave"}
		},
		"there is no keys.Test": func(r *Row) {
			r.Functions = []string{"keys.TestSP2KeyFiles"}
		},
		"there is no test TestNothing": func(r *Row) { r.Tests = append(r.Tests, "TestNothing") },
		"CI may never run TestEL2ArmRelayServesASession": func(r *Row) {
			r.Tests = append(r.Tests, "TestEL2ArmRelayServesASession")
		},
		"CI may never run TestC2BoringSSLCRLs": func(r *Row) {
			r.Tests = append(r.Tests, "TestC2BoringSSLCRLs")
		},
		"no test of the row runs everywhere": func(r *Row) {
			r.Tests = []string{"TestG8SetupOfTheDocuments"}
		},
		"G5.2: it is answered, and no test":    func(r *Row) { r.Tests = nil },
		"there is no document docs/nothing.md": func(r *Row) { r.Documents = []string{"docs/nothing.md"} },
		"there is no document deploy/relay":    func(r *Row) { r.Documents = []string{"deploy/relay"} },
		"docs/keys.md has no heading #nothing": func(r *Row) {
			r.Documents = []string{"docs/keys.md#nothing"}
		},
		`docs/threat-model.md#not-yet says "Not yet"`: func(r *Row) {
			r.Documents = []string{"docs/threat-model.md#not-yet"}
		},
		"it is answered, and something is missing":   func(r *Row) { r.Missing = "something" },
		"it is not answered, and nothing is missing": func(r *Row) { r.State = ToCome },
		"it is partly, and the row does not say by what": func(r *Row) {
			r.State, r.Missing, r.Mechanism = Partly,
				"something", ""
		},
		"operator or editor answers": func(r *Row) {
			r.State, r.Missing, r.Who = Organisational,
				"something", whos[:1]
		},
		"G5.2: a row has a sentence, a state and who":      func(r *Row) { r.State = "yes" },
		`G5.2: "ops" answers; give tlagate, operator, edi`: func(r *Row) { r.Who = []string{"ops"} },
	} {
		rows := read(t)
		require.Equal(t, "G5.2", rows[19].ID)
		change(&rows[19])
		c.faults = nil
		c.list(rows)
		c.row(rows[19])
		require.Contains(t, strings.Join(c.faults, "\n"), want)
	}
	c.faults = nil
	c.list(append(read(t), read(t)[19]))
	require.Equal(t, []string{Source + ": a row stands twice, or not in the annex's order"}, c.faults)
}

// TestG3ACodeThatIsAnsweredIsPromisedNowhere: on no page and in no kind of block.
func TestG3ACodeThatIsAnsweredIsPromisedNowhere(t *testing.T) {
	for _, page := range []string{
		"- done (C1)\n- not yet\n  packaged (C4)\n- done (C2)\n",
		"| done (C1) |\n| C4 | *not yet* |\n",
		"# Done (C1)\n## Not yet\nC4 and more.\n# Done again (C2)\n",
		"C1.\n\nC4 : n'existe pas encore.\n",
		"There is no command yet for C4.\n",
	} {
		require.Equal(t, []string{"C4"}, promises(page), page)
	}
	require.Empty(t, promises("A peer that is not proven yet (C4). Le Poste ne voit pas encore la carte (C4).\n"))
	c := checker{promised: map[string][]string{"docs/new.md": {"C4", "C1"}}}
	c.promises([]Row{{ID: "C1.1", State: Answered}, {ID: "C1.2", State: ToCome}, {ID: "C4.1", State: Answered}})
	require.Len(t, c.faults, 1)
	require.Contains(t, c.faults[0], "C4: docs/new.md says")
}

// TestG3APageIsKnownToTheRowsOfItsCodes: a heading that names a code, on a page that none of its rows names, is found.
func TestG3APageIsKnownToTheRowsOfItsCodes(t *testing.T) {
	c := checker{pages: map[string]string{"docs/new.md": "# New (G5, C2)\nSP4 is in the text alone.\n"}}
	c.headings([]Row{{ID: "G5.1", Documents: []string{"docs/new.md#new-g5-c2"}},
		{ID: "C2.1", Documents: []string{"docs/old.md"}}})
	require.Len(t, c.faults, 1)
	require.Contains(t, c.faults[0], `C2: the heading "New (G5, C2)" of docs/new.md names it, and no row of C2 has`)
}

// tally matches the count of the states in README.
var tally = regexp.MustCompile(`\d+ sentences(, \d+ (answered|partly|to come|organisational)){4}`)

// TestG3ReadmeSaysTheState: README has the count of the states.
func TestG3ReadmeSaysTheState(t *testing.T) {
	name := filepath.Join(root, "README.md")
	want := strings.TrimPrefix(Summary(read(t)), "Annex 7: ")
	page, err := os.ReadFile(name)
	require.NoError(t, err)
	if *update {
		page = tally.ReplaceAll(page, []byte(want))
		require.NoError(t, os.WriteFile(name, page, 0o644))
	}
	require.Equal(t, want, tally.FindString(string(page)), "write it again: go test ./integration/codes -update")
}

// TestG3WhatCIRuns: tests that need a variable of the environment, tests that may skip, and the rest are told apart.
func TestG3WhatCIRuns(t *testing.T) {
	c, err := source()
	require.NoError(t, err)
	tree := c.tree
	of := func(name string) *function {
		require.Len(t, tree.tests[name], 1, name)
		return tree.tests[name][0]
	}
	for _, name := range []string{"TestSoakLostLinks", "TestC2BoringSSLOCSP", "TestEL2ArmRelayServesASession"} {
		require.True(t, tree.fate(of(name)).hidden, name)
	}
	for _, name := range []string{"TestG7AlertsFire", "TestG8Trial", "TestC4IPv6SocketsAreSeen"} {
		require.False(t, tree.fate(of(name)).hidden, name)
		require.False(t, tree.fate(of(name)).always, name)
	}
	for _, name := range []string{"TestC1CardPolicy", "TestSP2TPMKey", "FuzzGuard", "TestG3WhatCIRuns"} {
		require.True(t, tree.fate(of(name)).always, name)
	}
	file := filepath.Join(t.TempDir(), "x_test.go")
	require.NoError(t, os.WriteFile(file, []byte("//go:build pkcs11\n\npackage x\n"), 0o600))
	built, err := inCI(file)
	require.NoError(t, err)
	require.False(t, built, "a tag of ours")
}

// TestRowsAreReadStrictly: an unknown key, or one that is there twice, is refused.
func TestRowsAreReadStrictly(t *testing.T) {
	for text, want := range map[string]string{
		"- {id: G2.1, sentense: x}\n":     "field sentense not found",
		"- {id: G2.1, id: G2.2}\n":        "already defined",
		"- {id: G2.1}\n---\n- {id: C1}\n": "more than one document",
		"- {id: G2.1, tests: {a: b}}\n":   "cannot unmarshal",
		"":                                "EOF",
	} {
		_, err := decode([]byte(text))
		require.ErrorContains(t, err, want, text)
	}
}

// TestFormats: each format has all rows, and those for people fit into 120 columns.
func TestFormats(t *testing.T) {
	rows := read(t)
	written := map[string]string{}
	for _, name := range Formats {
		var out bytes.Buffer
		require.NoError(t, Format(&out, name, rows))
		written[name] = out.String()
	}
	for _, name := range []string{"text", "markdown"} {
		for line := range strings.Lines(written[name]) {
			long := len([]rune(strings.TrimSuffix(line, "\n"))) > columns
			require.False(t, long && !strings.HasPrefix(line, "|"), "%s: %s", name, line)
		}
		for _, id := range Identifiers() {
			require.Contains(t, written[name], id, name)
		}
	}
	var list []struct {
		Code, ID string
		State    State
	}
	require.NoError(t, json.Unmarshal([]byte(written["json"]), &list))
	require.Len(t, list, sentenceCount)
	require.Equal(t, "6.3.2", list[9].Code)
	require.Equal(t, "6.3.2b", list[9].ID)
	require.Equal(t, Summary(rows)+"\n", written["summary"])
	require.ErrorContains(t, Format(&bytes.Buffer{}, "html", rows),
		`cannot write the annex's rows as "html": give text`)
}
