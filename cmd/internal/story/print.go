package story

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"tlagate/audit"
	"tlagate/internal/stamp"
)

// Print writes the story on one page.
func (s *Story) Print(w io.Writer) {
	fmt.Fprintf(w, "Incident %s, %s\n", s.Number, stamp.Instant(s.At))
	if s.Terminal != "" {
		fmt.Fprintf(w, "terminal %s\n", quoted(s.Terminal))
	}
	for _, id := range s.Sessions {
		fmt.Fprintf(w, "session  %s\n", quoted(id))
	}
	s.printSaw(w)
	s.printDiffers(w)
	fmt.Fprintln(w, "\nWhat each side recorded")
	for _, t := range s.Lines {
		fmt.Fprintf(w, "  %s  %-8s  %s\n", stamp.Instant(t.At), t.Side, s.brief(t.Line))
	}
	s.printAdvice(w)
	if len(s.Others) > 0 {
		fmt.Fprintln(w, "\nOlder incidents of this number (--terminal tells of the one that is meant)")
	}
	for _, o := range s.Others[:min(len(s.Others), mostOthers)] {
		fmt.Fprintf(w, "  %s  %s\n", stamp.Instant(o.At), quoted(o.Terminal))
	}
	if more := len(s.Others) - mostOthers; more > 0 {
		fmt.Fprintf(w, "  and %d more\n", more)
	}
}

// mostOthers is how many other incidents are listed.
const mostOthers = 10

func (s *Story) printSaw(w io.Writer) {
	fmt.Fprintln(w, "\nWhat the user saw")
	switch {
	case s.Saw == nil && len(s.Differs) > 0:
		fmt.Fprintln(w, "  nothing: a program compared its machine with signed manifests, and no session is meant")
		return
	case s.Saw == nil:
		fmt.Fprintln(w, "  unknown: the terminal has not told yet; it does in its next session")
		return
	case !s.Saw.Sure:
		fmt.Fprintln(w, "  most likely, by what the gateway recorded; the terminal tells in its next session:")
	}
	fmt.Fprintf(w, "  fr  %s\n  en  %s\n", quoted(s.Saw.FR), quoted(s.Saw.EN))
}

func (s *Story) printAdvice(w io.Writer) {
	fmt.Fprintln(w, "\nWhat to do (docs/troubleshooting.md)")
	if len(s.Advice) == 0 {
		fmt.Fprintln(w, "  look for the words of the lines above")
	}
	for _, a := range s.Advice {
		fmt.Fprintf(w, "  %s (section %s)\n    means: %s\n    do:    %s\n", a.Word, a.Section, a.Means, a.Todo)
	}
}

// unprinted are attributes that the head of the page has, or nobody reads.
var unprinted = []string{"session", "incident", "statement", "fingerprint", "until", "person_sealed"}

// brief returns an entry as kind and name=value.
func (s *Story) brief(e audit.Entry) string {
	var b strings.Builder
	b.WriteString(string(e.Event))
	if e.Event == audit.OperatorAct || e.Said != nil && e.By != s.Terminal {
		fmt.Fprintf(&b, "  by=%s", quoted(e.By))
	}
	for _, name := range slices.Sorted(maps.Keys(e.With)) {
		if !slices.Contains(unprinted, name) {
			fmt.Fprintf(&b, "  %s=%s", name, audit.Shown(e.With[name]))
		}
	}
	if e.Said != nil {
		fmt.Fprintf(&b, "  (told %s)", stamp.Instant(e.Time()))
	}
	return b.String()
}

// quoted quotes what could have an effect on a terminal: devices wrote some of it.
func quoted(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return r != ' ' && r != '\u00a0' && !unicode.IsGraphic(r) }) {
		return strconv.QuoteToGraphic(s)
	}
	return s
}
