package codes

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// Formats are the names that [Format] knows.
var Formats = []string{"text", "markdown", "json", "summary"}

// Format writes the rows: "text" is for a terminal, "markdown" is docs/annexe7.md, "summary" is one line.
func Format(w io.Writer, name string, rows []Row) error {
	text := ""
	switch name {
	case "text":
		text = terminal(rows)
	case "markdown":
		text = Markdown(rows)
	case "json":
		return toJSON(w, rows)
	case "summary":
		text = Summary(rows) + "\n"
	default:
		return fmt.Errorf("cannot write the annex's rows as %q: give %s", name, strings.Join(Formats, ", "))
	}
	_, err := io.WriteString(w, text)
	return err
}

func toJSON(w io.Writer, rows []Row) error {
	type coded struct {
		Code string `json:"code"`
		Row
	}
	list := make([]coded, len(rows))
	for i, r := range rows {
		list[i] = coded{r.Code(), r}
	}
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	return out.Encode(list)
}

// columns is the width of text.
const columns = 120

// fold breaks a text at blanks into lines that are not longer than columns; the first begins with first, each other one
// with rest. It does not break at blanks within backquotes.
func fold(first, rest, text string) string {
	var out strings.Builder
	out.WriteString(first)
	at := len([]rune(first))
	for i, word := range words(text) {
		n := len([]rune(word))
		switch {
		case i > 0 && at+1+n > columns:
			out.WriteString("\n" + rest)
			at = len([]rune(rest))
		case i > 0:
			out.WriteByte(' ')
			at++
		}
		out.WriteString(word)
		at += n
	}
	return out.String() + "\n"
}

// words splits a text at blanks outside of backquotes.
func words(text string) (list []string) {
	quoted := false
	for _, w := range strings.Fields(text) {
		if quoted {
			list[len(list)-1] += " " + w
		} else {
			list = append(list, w)
		}
		quoted = quoted != (strings.Count(w, "`")%2 == 1)
	}
	return list
}
