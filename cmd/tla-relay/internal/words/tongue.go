// Package words has what a professional reads on the terminal, in French or English: plain words, without names of
// machines or programs, which log and trace have under the incident number.
package words

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// Tongue is the user's language.
type Tongue int

// The languages.
const (
	French Tongue = iota
	English
)

// Tongues has all languages by name.
var Tongues = map[string]Tongue{"fr": French, "en": English}

// TongueOf returns the language of the locale (POSIX: LC_ALL, LC_MESSAGES, LANG): French for all but English.
func TongueOf(getenv func(string) string) Tongue {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if v := getenv(name); v != "" {
			if strings.HasPrefix(strings.ToLower(v), "en") {
				return English
			}
			return French
		}
	}
	return French
}

// Say returns w in the language, filled in; fill has pairs of name and text.
func (t Tongue) Say(w Text, fill []string) string {
	text := w.fr
	if t == English {
		text = w.en
	}
	var pairs []string
	for i := 0; i+1 < len(fill); i += 2 {
		text = t.counted(text, fill[i], fill[i+1])
		pairs = append(pairs, "{"+fill[i]+"}", clean(fill[i+1]))
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// counted chooses between the forms of {name:one:many} by the number that is filled in for name.
func (t Tongue) counted(text, name, number string) string {
	form := 2
	if number == "1" || number == "0" && t == French {
		form = 1
	}
	forms := regexp.MustCompile(`\{` + name + `:([^:{}]*):([^:{}]*)\}`)
	return forms.ReplaceAllString(text, fmt.Sprintf("$%d", form))
}

// clean leaves out what a terminal would not show but obey: a text from elsewhere, a reader's name for instance, may
// have anything in it.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) && r != '\u00a0' {
			return -1
		}
		return r
	}, s)
}

// Colon returns a colon, in French with a space before it.
func (t Tongue) Colon() string {
	if t == French {
		return "\u00a0:"
	}
	return ":"
}
