package story

import (
	"regexp"
	"slices"
	"strings"

	"tlagate/docs"
)

// Advice is a row of docs/troubleshooting.md.
type Advice struct {
	Word    string `json:"word"`
	Section string `json:"section"`
	Means   string `json:"means"`
	Todo    string `json:"todo"`
}

// sections has, for a code, the numbers of the sections in which its reason is.
var sections = map[string][]string{"refused": {"2"}, "rejected": {"2"}, "problem": {"3"}, "notice": {"4"}, "pdt": {"5"},
	"proxy": {"6"}, "seal": {"7"}, "integrity": comparison}

// comparison are the sections of the words by which something differs from its manifest; a manifest that cannot be
// used has one of the second.
var comparison = []string{"14", "7"}

// codes is the section of codes.
const codes = "1"

// advise returns the rows of a code and its reason.
func advise(code, reason string) (list []Advice) {
	if a, ok := look(code, codes); ok {
		list = append(list, a)
	}
	return adviseIn(list, reason, sections[code])
}

// adviseIn adds the row of a word to the list, from the first of the sections that has one, unless it is there already.
func adviseIn(list []Advice, word string, sections []string) []Advice {
	for _, number := range sections {
		if a, ok := look(word, number); ok && slices.Contains(list, a) {
			return list
		} else if ok {
			return append(list, a)
		}
	}
	return list
}

var (
	heading = regexp.MustCompile(`^## ((\d+)\. .*)$`)
	row     = regexp.MustCompile("^\\| `([^`]+)` \\| ([^|]+) \\| ([^|]+) \\|$")
	link    = regexp.MustCompile(`\[([^]]*)\]\([^)]*\)`)
)

// look finds the row of a word in the section of that number.
func look(word, number string) (a Advice, found bool) {
	here := false
	for line := range strings.Lines(docs.Troubleshooting) {
		line = strings.TrimSpace(line)
		if m := heading.FindStringSubmatch(line); m != nil {
			here, a.Section = m[2] == number, m[1]
		}
		if m := row.FindStringSubmatch(line); here && m != nil && m[1] == word {
			return Advice{word, a.Section, plain(m[2]), plain(m[3])}, true
		}
	}
	return a, false
}

// plain returns a cell as text.
func plain(cell string) string {
	return strings.ReplaceAll(link.ReplaceAllString(cell, "$1"), "`", "")
}
