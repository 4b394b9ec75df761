package trail

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"tlagate/audit"
)

// Readable returns an entry for people: time, number, event, program, then name=value. It is one line, which can be
// searched for; on a screen of so many columns as many as are needed, each broken between two words. 0 = no screen.
func Readable(e audit.Entry, columns int) string {
	words := wordsOf(e)
	text, width := words[0], utf8.RuneCountInString(words[0])
	for _, word := range words[1:] {
		n := utf8.RuneCountInString(word)
		if columns > 0 && width+2+n > columns {
			text, width = text+"\n    "+word, 4+n
			continue
		}
		text, width = text+"  "+word, width+2+n
	}
	return text
}

// wordsOf returns what an entry says, in the order in which it is printed.
func wordsOf(e audit.Entry) []string {
	words := []string{fmt.Sprintf("%s %6d", e.At, e.Seq), plain(string(e.Event))}
	if e.By != "" {
		words = append(words, "by "+plain(e.By))
	}
	show := plain
	if e.Said != nil {
		words = append(words, fmt.Sprintf("(its line %d of %s)", e.Said.Seq, plain(e.Said.At)))
		show = audit.Shown
	}
	for _, name := range slices.Sorted(maps.Keys(e.With)) {
		value := show(e.With[name])
		if name == "person_sealed" { // long, and nobody can read it
			value = "…"
		}
		words = append(words, plain(name)+"="+value)
	}
	return words
}

// plain quotes what could be misread, or have an effect on a terminal: others may have written the line.
func plain(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return r == ' ' || r == '"' || r == '=' || !unicode.IsGraphic(r) }) {
		return strconv.QuoteToGraphic(s)
	}
	return s
}
