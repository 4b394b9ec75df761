package cli

import (
	"os"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// Columns returns how wide the screen is that Stdout is; 0 = it is none, or does not say.
func (a *App) Columns() int {
	screen, ok := a.Stdout.(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(screen.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// Screen returns text for a person's terminal: what it would act on, or not show, is written out as in Go, \x1b. Line
// ends and tabs stay. What is printed may come from a file or a name that somebody else has made.
func Screen(text string) string {
	var shown strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		one := text[:size]
		if text = text[size:]; !harmless(r, size) {
			one = strings.Trim(strconv.QuoteToGraphic(one), `"`)
		}
		shown.WriteString(one)
	}
	return shown.String()
}

// Line is Screen for one line: white space, line ends included, becomes one space.
func Line(text string) string { return Screen(strings.Join(strings.Fields(text), " ")) }

func harmless(r rune, size int) bool {
	return r == '\n' || r == '\t' || unicode.IsGraphic(r) && (r != utf8.RuneError || size > 1)
}
