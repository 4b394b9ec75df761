package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// screen prints the demo. Safe for concurrent use.
type screen struct {
	mu     sync.Mutex // one message at a time
	out    io.Writer
	colour bool
	width  int // of a line
}

type style string

const (
	bold  style = "1"
	faint style = "2"
	red   style = "1;31"
	green style = "32"
	blue  style = "1;36"
)

func newScreen(out *os.File) *screen {
	s := &screen{out: out, width: 100}
	if !isTerminal(out) {
		return s
	}
	s.colour = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	if size, err := unix.IoctlGetWinsize(int(out.Fd()), unix.TIOCGWINSZ); err == nil && size.Col > 0 {
		s.width = max(60, min(int(size.Col)-1, 120))
	}
	return s
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

func (s *screen) in(st style, text string) string {
	if !s.colour || st == "" {
		return text
	}
	return "\x1b[" + string(st) + "m" + text + "\x1b[0m"
}

func (s *screen) print(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = io.WriteString(s.out, text)
}

func (s *screen) say(text string) { s.print(text + "\n") }

func (s *screen) heading(text string) { s.print("\n" + s.in(bold, text) + "\n") }

func (s *screen) title(number int, title, sentence string) {
	s.print("\n" + s.in(blue, fmt.Sprintf("%d. %s", number, title)) + "\n")
	s.paragraph("   ", "   ", "", sentence)
}

// found prints what a step has shown to be so.
func (s *screen) found(format string, args ...any) {
	s.paragraph("   ", "     ", green, "✓ "+fmt.Sprintf(format, args...))
}

// command prints a command line and the machine where it is typed: ca, gw, tla or pdt; "" = this one.
func (s *screen) command(machine, program string, args []string) {
	words := []string{program}
	for i, a := range args {
		if i > 0 && strings.HasPrefix(args[i-1], "-") && !strings.HasPrefix(a, "-") {
			words[len(words)-1] += " " + quoted(a) // a flag and its value stay together
			continue
		}
		words = append(words, quoted(a))
	}
	prompt := s.in(faint, fmt.Sprintf("%-4s", machine+"$"))
	for i, line := range folded(words, s.width-11, " \\") {
		if i > 0 {
			prompt = "      "
		}
		s.print("   " + prompt + " " + s.in(bold, line) + "\n")
	}
}

// output prints the output of a program.
func (s *screen) output(text string) {
	for _, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		indent := line[:len(line)-len(strings.TrimLeft(line, " "))]
		s.paragraph("     "+indent, "       "+indent, "", line[len(indent):])
	}
}

// log prints a line of a program's log, without its time and the details at its end.
func (s *screen) log(machine, line string) {
	_, line, _ = strings.Cut(line, " level=")
	line, details, _ := strings.Cut(line, " error=")
	if details != "" {
		line += " error=…"
	}
	s.paragraph("   ", "     ", "", s.in(faint, machine+" log:")+" … "+line)
}

// paragraph prints a text in lines that fit the screen.
func (s *screen) paragraph(first, next string, st style, text string) {
	lines := []string{text}
	if utf8.RuneCountInString(first+text) > s.width {
		lines = folded(strings.Fields(text), s.width-len(next), "")
	}
	for i, line := range lines {
		if i > 0 {
			first = next
		}
		s.print(first + s.in(st, line) + "\n")
	}
}

// folded joins words to lines; all lines but the last get end, the sign by which a shell expects more.
func folded(words []string, width int, end string) []string {
	lines := []string{""}
	for i, w := range words {
		last := &lines[len(lines)-1]
		switch {
		case i == 0:
			*last = w
		case utf8.RuneCountInString(*last+w) < width:
			*last += " " + w
		default:
			*last += end
			lines = append(lines, w)
		}
	}
	return lines
}

func quoted(word string) string {
	if word == "" || strings.ContainsAny(word, " *?$'\"\\") {
		return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	return word
}

func (s *screen) fail(err error) {
	s.print("\n")
	first := "✗ demo failed: "
	for _, line := range strings.Split(err.Error(), "\n") {
		s.paragraph("", "  ", red, first+line)
		first = "  "
	}
}

func seconds(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
