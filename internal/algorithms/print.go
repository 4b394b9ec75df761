package algorithms

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Gather returns the list of several packages, in the order of kinds; within a kind, packages stay in the order of the
// arguments.
func Gather(parts ...[]Use) List {
	all := slices.Concat(parts...)
	slices.SortStableFunc(all, func(a, b Use) int { return cmp.Compare(a.Kind, b.Kind) })
	return List{all, Sources}
}

// kind calls f with the uses of each kind that has some.
func (l List) kind(f func(Kind, []Use)) {
	for k := range Kind(numberOfKinds) {
		uses := slices.DeleteFunc(slices.Clone(l.Uses), func(u Use) bool { return u.Kind != k })
		if len(uses) > 0 {
			f(k, uses)
		}
	}
}

// together groups neighbours of which the same is said.
func together(uses []Use) (groups [][]Use) {
	for _, u := range uses {
		if last := len(groups) - 1; last >= 0 && groups[last][0].like(u) {
			groups[last] = append(groups[last], u)
			continue
		}
		groups = append(groups, []Use{u})
	}
	return groups
}

func (u Use) like(v Use) bool {
	return u.For == v.For && u.Place == v.Place && u.Outside == v.Outside && u.RGS == v.RGS && slices.Equal(u.By, v.By)
}

// width is how many columns a terminal surely has.
const width = 100

var (
	strength = Text{"bits", "bits"}
	outside  = Text{"Outside the letter of RGS B1: ", "Hors de la lettre du RGS B1 : "}
	sources  = Text{"References", "Références"}
)

// Print writes the list for a terminal.
func (l List) Print(w io.Writer, in Language) error {
	out := &printer{to: w, in: in}
	l.kind(func(k Kind, uses []Use) {
		out.printf("%s\n", kinds[k].title.in(in))
		for _, same := range together(uses) {
			out.uses(same)
		}
		out.printf("\n")
	})
	out.printf("%s\n", sources.in(in))
	for _, s := range l.Sources {
		out.paragraph("  "+pad(s.Word, 11), strings.Repeat(" ", 13), s.Title)
	}
	return out.err
}

// printer remembers the first error.
type printer struct {
	to  io.Writer
	in  Language
	err error
}

func (p *printer) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.to, format, args...)
	}
}

// uses writes a line with name, strength and package for each of several uses, and below them what they are for and
// their references.
func (p *printer) uses(same []Use) {
	for _, u := range same {
		bits := ""
		if u.Bits > 0 {
			bits = fmt.Sprintf("%d %s", u.Bits, strength.in(p.in))
		}
		p.printf("  %s %8s  %s\n", pad(u.Name, 62), bits, u.Place)
	}
	const hang = "      "
	u := same[0]
	p.paragraph(hang, hang, u.For.in(p.in))
	if why := u.Outside.in(p.in); why != "" {
		p.paragraph(hang, hang, outside.in(p.in)+why)
	}
	if mark := marks[u.RGS].in(p.in); mark != "" {
		p.paragraph(hang, hang, mark)
	}
	p.paragraph(hang+"[", hang+" ", strings.Join(u.By, "; ")+"]")
}

// paragraph writes a text, broken into lines.
func (p *printer) paragraph(first, next, text string) {
	line := first
	for i, word := range strings.Fields(text) {
		if i > 0 && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			p.printf("%s\n", line)
			line = next
		} else if i > 0 {
			line += " "
		}
		line += word
	}
	p.printf("%s\n", line)
}

func pad(s string, n int) string { return s + strings.Repeat(" ", max(n-utf8.RuneCountInString(s), 0)) }
