package story

import (
	"regexp"
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

// sections has, for a code, the number of the section in which its reason is.
var sections = map[string]string{"refused": "2", "rejected": "2", "problem": "3", "notice": "4", "pdt": "5",
	"proxy": "6", "seal": "7"}

// codes is the section of codes.
const codes = "1"

// advise returns the rows of a code and its reason.
func advise(code, reason string) (list []Advice) {
	for _, word := range []struct{ word, section string }{{code, codes}, {reason, sections[code]}} {
		if a, ok := look(word.word, word.section); ok {
			list = append(list, a)
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
