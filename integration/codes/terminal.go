package codes

import (
	"fmt"
	"strings"
)

// terminal returns a text for people: each row's sentence, and what is missing.
func terminal(rows []Row) string {
	out := ""
	for _, c := range annex {
		out += c.title + "\n"
		for _, r := range c.of(rows) {
			out += line(r)
		}
		out += "\n"
	}
	return out + Summary(rows) + "\nWhat answers each, and the tests that show it: " + Page + "\n"
}

func line(r Row) string {
	head := fmt.Sprintf("  %-7s%-16s", r.ID, r.State)
	margin := strings.Repeat(" ", len(head))
	out := fold(head, margin, r.Sentence)
	if r.Missing != "" {
		out += fold(margin+"— ", margin+"  ", r.Missing)
	}
	return out
}

// of returns those of rows that belong to the chapter.
func (c chapter) of(rows []Row) (found []Row) {
	for _, id := range c.identifiers() {
		for _, r := range rows {
			if r.ID == id {
				found = append(found, r)
			}
		}
	}
	return found
}
