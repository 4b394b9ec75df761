package screen

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"

	"tlagate/cmd/tla-relay/internal/words"
)

// The least size of a screen, in columns and rows.
const (
	leastWidth  = 40
	leastHeight = 12
	mostWidth   = 96 // of text, since longer lines are hard to read
)

// mood is the colour of the word; nothing else depends on it.
type mood int

const (
	calm mood = iota
	good
	waiting
	bad
)

var colours = map[mood]ansi.BasicColor{good: ansi.Green, waiting: ansi.Yellow, bad: ansi.Red}

// page is what a screen shows, whatever its size.
type page struct {
	left, right string      // of the first line
	word        string      // in block letters
	mood        mood        // of the word
	lead        string      // the sentence beneath it
	parts       []paragraph // from top to bottom
	keys        []string    // what can be pressed, the most important first
}

// paragraph is one part of a page: lines that belong together. If a page does not fit, paragraphs are left out, the
// highest rank first; those of rank worthLess or more, rather than the large word.
type paragraph struct {
	lines []string
	rank  int
	bold  bool
}

// render returns the page laid out: as much of it as there is room for, with the word as large as that allows.
func (p page) render(width, height int) string {
	if width < leastWidth || height < leastHeight {
		return ansi.Truncate(words.TooSmall, max(width, 1), "")
	}
	f := frame{page: p, width: width, text: min(width, mostWidth), margin: max(0, (width-mostWidth)/2)}
	if width > leastWidth+20 {
		f.text, f.margin = f.text-4, f.margin+2
	}
	f.bottom = f.keyLines()
	f.room = height - 1 - len(f.bottom)
	body := f.fitting()
	free := f.room - len(body)
	lines := slices.Concat([]string{f.top()}, make([]string, min(free/3, 3)), body)
	lines = append(lines, make([]string, height-len(lines)-len(f.bottom))...)
	return strings.Join(append(lines, f.bottom...), "\n")
}

// frame is a page on a screen.
type frame struct {
	page
	width, text, margin int // columns
	bottom              []string
	room                int // rows between the first line and the keys'
}

// worthLess is the rank from which on a paragraph is left out rather than the large word.
const worthLess = 2

// fitting returns the lines of the body that fit. It tries the large word before the small one, with air before
// without, and all that before it leaves a paragraph out; last, the word as an ordinary line of text.
func (f frame) fitting() []string {
	for _, try := range []struct {
		draw []func(string) []string
		keep int // paragraphs of lower rank are not left out
	}{{[]func(string) []string{bigLetters, smallLetters}, worthLess}, {[]func(string) []string{plainLetters}, 0}} {
		for parts, more := f.parts, true; more; parts, more = withoutLeast(parts, try.keep) {
			if lines, ok := f.drawn(try.draw, parts); ok {
				return lines
			}
		}
	}
	lines, _ := f.body(plainLetters(f.word), nil, false)
	return lines[:min(len(lines), f.room)]
}

// drawn returns the body with the word as large as fits with these paragraphs; ok is false if none does.
func (f frame) drawn(draws []func(string) []string, parts []paragraph) ([]string, bool) {
	for _, draw := range draws {
		for _, air := range []bool{true, false} {
			if lines, ok := f.body(draw(f.word), parts, air); ok && len(lines) <= f.room {
				return lines, true
			}
		}
	}
	return nil, false
}

func plainLetters(word string) []string { return []string{word} }

// withoutLeast returns parts without the last paragraph of the highest rank, if that is keep or more.
func withoutLeast(parts []paragraph, keep int) (rest []paragraph, ok bool) {
	at := -1
	for i, p := range parts {
		if p.rank >= keep && (at < 0 || p.rank >= parts[at].rank) {
			at = i
		}
	}
	if at < 0 {
		return parts, false
	}
	return slices.Delete(slices.Clone(parts), at, at+1), true
}

// body returns the word, the sentence and paragraphs; ok is false if the word is wider than the screen.
func (f frame) body(word []string, parts []paragraph, air bool) (lines []string, ok bool) {
	wide := utf8.RuneCountInString(word[0])
	if wide > f.width {
		return nil, false
	}
	margin := min(f.margin, f.width-wide)
	for _, l := range word {
		lines = append(lines, strings.Repeat(" ", margin)+f.coloured(strings.TrimRight(l, " ")))
	}
	add := func(text []string, bold bool) {
		if air && len(text) > 0 {
			lines = append(lines, "")
		}
		for _, l := range text {
			lines = append(lines, f.indented(l, bold)...)
		}
	}
	if f.lead != "" {
		add([]string{f.lead}, true)
	}
	for _, p := range parts {
		add(p.lines, p.bold)
	}
	return lines, true
}

func (f frame) coloured(text string) string {
	style := ansi.Style{}.Bold()
	if c, ok := colours[f.mood]; ok {
		style = style.ForegroundColor(c)
	}
	return style.Styled(text)
}

func (f frame) indented(text string, bold bool) (lines []string) {
	for _, l := range wrap(text, f.text) {
		if bold {
			l = ansi.Style{}.Bold().Styled(l)
		}
		lines = append(lines, strings.Repeat(" ", f.margin)+l)
	}
	return lines
}

// top returns the first line: two texts, the left one cut to the room that the other leaves.
func (f frame) top() string {
	left := ansi.Truncate(f.left, f.text-utf8.RuneCountInString(f.right)-1, "")
	gap := f.text - utf8.RuneCountInString(left) - utf8.RuneCountInString(f.right)
	return strings.Repeat(" ", f.margin) + left + strings.Repeat(" ", gap) + f.right
}

// keyLines returns the keys, in as few lines as possible.
func (f frame) keyLines() (lines []string) {
	line := ""
	for _, k := range f.keys {
		switch {
		case line == "":
			line = k
		case utf8.RuneCountInString(line+"   "+k) <= f.text:
			line += "   " + k
		default:
			lines, line = append(lines, line), k
		}
	}
	for i, l := range append(lines, line) {
		l = l + strings.Repeat(" ", f.text-utf8.RuneCountInString(l))
		lines = append(lines[:i], strings.Repeat(" ", f.margin)+ansi.Style{}.Reverse(true).Styled(l))
	}
	return lines
}

// wrap breaks a text at its spaces, no-break ones excepted. If a text begins with spaces, its further lines do, too.
func wrap(text string, width int) (lines []string) {
	text = tight.Replace(text)
	indent := text[:len(text)-len(strings.TrimLeft(text, " "))]
	line := ""
	for _, word := range strings.Split(strings.TrimLeft(text, " "), " ") {
		for utf8.RuneCountInString(indent+word) > width { // no line could hold it
			if line != "" {
				lines, line = append(lines, line), ""
			}
			cut := ansi.Truncate(word, width-len(indent), "")
			lines, word = append(lines, indent+cut), word[len(cut):]
		}
		switch {
		case line == "":
			line = indent + word
		case utf8.RuneCountInString(line+" "+word) > width:
			lines, line = append(lines, line), indent+word
		default:
			line += " " + word
		}
	}
	for i, l := range append(lines, line) {
		lines = append(lines[:i], strings.ReplaceAll(l, noBreak, " "))
	}
	return lines
}

// tight keeps French punctuation on the line of its word.
var tight = strings.NewReplacer(" :", noBreak+":", " ;", noBreak+";", " ?", noBreak+"?", " !", noBreak+"!", " »",
	noBreak+"»", "« ", "«"+noBreak)

const noBreak = "\u00a0"
