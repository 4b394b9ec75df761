package algorithms

import (
	"fmt"
	"strings"
)

var columns = map[Language]string{
	English: "| %s | bits | use | references | package |\n|---|---|---|---|---|\n",
	French:  "| %s | bits | emploi | références | paquet |\n|---|---|---|---|---|\n",
}

// What the first column names.
var (
	algorithm = Text{"algorithm", "algorithme"}
	lives     = Text{"certificate or list", "certificat ou liste"}
)

// Markdown returns a table for each kind, below headings of the second level.
func (l List) Markdown(in Language) string {
	var out strings.Builder
	l.kind(func(k Kind, uses []Use) {
		about := algorithm
		if k == Life {
			about = lives
		}
		fmt.Fprintf(&out, "## %s\n"+columns[in], kinds[k].title.in(in), about.in(in))
		for _, same := range together(uses) {
			out.WriteString(row(same, in))
		}
		out.WriteString("\n")
	})
	return strings.TrimRight(out.String(), "\n") + "\n"
}

// row returns one row for uses of which the same is said, their names one below the other.
func row(same []Use, in Language) string {
	var names, bits []string
	for _, u := range same {
		names, bits = append(names, u.Name), append(bits, u.strength())
	}
	u := same[0]
	text := u.For.in(in)
	if why := u.Outside.in(in); why != "" {
		text += " **" + strings.TrimSpace(outside.in(in)) + "** " + why
	}
	if mark := marks[u.RGS].in(in); mark != "" {
		text += " **" + mark + "**"
	}
	return fmt.Sprintf("| %s | %s | %s | %s | `%s` |\n", strings.Join(names, "<br>"), strings.Join(bits, "<br>"), text,
		strings.Join(u.By, "; "), u.Place)
}

func (u Use) strength() string {
	if u.Bits == 0 {
		return "–"
	}
	return fmt.Sprint(u.Bits)
}
