package codes

import (
	"fmt"
	"path/filepath"
	"strings"
)

// introduction has ~ in place of a backquote.
const introduction = `# The security annex, sentence by sentence

<!-- Made from annexe7.yaml by: go test ./integration/codes -update -->

For the auditor: each sentence of *Cahier des charges, Annexe 7* (v8.40, configuration 6) that software or its
documentation can answer, **in our words**, and what answers it. The annex's own text counts. Nearly each of its codes
ends with "the mechanisms are described in the security file": that holds for every row here.

| state | means |
|---|---|
| answered | software answers it, or documentation where documentation is asked for, and a test that runs before every merge shows it |
| partly | something of it is answered; what is missing stands there |
| to come | what there is does not answer it |
| organisational | people answer it, and the security file says how; what tlagate gives for it stands there |

*Who* has to answer: tlagate; the operator of gateways, workstations and terminals; the editor of the billing software,
who files the security file. A sentence's number is ours: G2.1 is the first of code G2, 6.3.2a the first of
chapter 6.3.2.

A test is run by its name, or with all of its code: ~go test ./... -run TestG2~ (HACKING.md says what that needs).
~make codes~ prints the sentences, and what is missing, for a terminal; ~make codes FORMAT=json~ prints all of it for
programs. A test fails when a sentence has no row, when a function, test or document of a row is not there, when a
sentence is called answered without a test that always runs, when a page says of one that is answered that it is not
there yet, or when a page has a code in a heading and no row of that code names it.

`

// Markdown returns the text of docs/annexe7.md.
func Markdown(rows []Row) string {
	out := strings.ReplaceAll(introduction, "~", "`") + counts(rows)
	for _, c := range annex {
		out += "\n## " + c.title + "\n"
		for _, r := range c.of(rows) {
			out += r.markdown()
		}
	}
	return out
}

// counts returns the table of states, by chapter.
func counts(rows []Row) string {
	out := "| | answered | partly | to come | organisational | sentences |\n|---|--:|--:|--:|--:|--:|\n"
	for _, c := range annex {
		out += countLine(c.title, c.of(rows))
	}
	return out + countLine("**all**", rows)
}

func countLine(title string, rows []Row) string {
	line := "| " + title
	for _, s := range states {
		line += fmt.Sprintf(" | %d", Count(rows, s))
	}
	return line + fmt.Sprintf(" | %d |\n", len(rows))
}

func (r Row) markdown() string {
	out := "\n### " + r.ID + "\n"
	out += fold("", "", r.Sentence)
	out += "\n" + fold("", "", "**"+capital(string(r.State))+".** "+r.Mechanism)
	if r.Missing != "" {
		out += "\n" + fold("", "", "**"+r.lacks()+":** "+r.Missing)
	}
	out += "\n" + fold("- who: ", "  ", strings.Join(r.Who, ", "))
	out += item("functions", r.Functions, quoted)
	out += item("tests", r.Tests, quoted)
	return out + item("documents", r.Documents, link)
}

// lacks returns the words before what is missing.
func (r Row) lacks() string {
	if r.State == Organisational {
		return "To do"
	}
	return "Missing"
}

func item(what string, list []string, form func(string) string) string {
	if len(list) == 0 {
		return ""
	}
	formed := make([]string, len(list))
	for i, s := range list {
		formed[i] = form(s)
	}
	return fold("- "+what+": ", "  ", strings.Join(formed, ", "))
}

func quoted(name string) string { return "`" + name + "`" }

// link returns a link from docs/ to a document of the tree.
func link(name string) string {
	file, anchor, _ := strings.Cut(name, "#")
	target, err := filepath.Rel("docs", file)
	if err != nil {
		target = file
	}
	if anchor != "" {
		anchor = "#" + anchor
	}
	return "[" + strings.TrimPrefix(target, "../") + "](" + target + anchor + ")"
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
