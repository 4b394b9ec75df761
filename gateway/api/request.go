package api

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"tlagate/pki"
)

// Bounds of a request.
const (
	maxBody  = 4 << 10 // octets
	maxQuery = 4 << 10
	mostPage = 500 // items of a page
	aPage    = 100 // items, when the request names no limit
)

// query reads the parameters of a request, each of which is given once and known.
type query struct {
	values map[string][]string
	wrong  string // what is, as a sentence; "" = nothing
}

// refuse says that a parameter is wrong.
func (q *query) refuse(name, why string) {
	q.wrong = "The parameter " + strconv.QuoteToASCII(cut(name)) + " " + why + "."
}

// parameters returns the parameters of a request, of which these are known.
func parameters(r *http.Request, known ...string) *query {
	q := &query{}
	if len(r.URL.RawQuery) > maxQuery {
		q.wrong = "The query is too long."
		return q
	}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil { // of a filter that is left out, all would be shown
		q.wrong = "query"
	}
	for name, list := range values {
		if !slices.Contains(known, name) {
			q.refuse(name, "is not known here")
		} else if len(list) > 1 && name != "event" {
			q.refuse(name, "is given twice")
		}
	}
	q.values = values
	return q
}

func (q *query) text(name string) string {
	if list := q.values[name]; len(list) > 0 {
		return list[0]
	}
	return ""
}

// limit returns how many items are wanted.
func (q *query) limit() int {
	text := q.text("limit")
	if text == "" {
		return aPage
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > mostPage {
		q.refuse("limit", "wants a number from 1 to "+strconv.Itoa(mostPage))
	}
	return n
}

// time returns a point in time; zero = none is given.
func (q *query) time(name string) (t time.Time) {
	if text := q.text(name); text != "" {
		var err error
		if t, err = time.Parse(time.RFC3339, text); err != nil {
			q.refuse(name, "wants a time of RFC 3339, such as 2026-11-24T08:30:00Z")
		}
	}
	return t
}

// identity returns an identity; zero = none is given.
func (q *query) identity(name string) (id pki.Identity) {
	if text := q.text(name); text != "" {
		var err error
		if id, err = pki.ParseIdentity(text); err != nil {
			q.refuse(name, "wants a whole identity, urn:tlagate:PRACTICE:ROLE:NAME")
		}
	}
	return id
}

// urn is identity for those who want the text.
func (q *query) urn(name string) string {
	q.identity(name)
	return q.text(name)
}

// cursor returns where a page begins, which an answer before has said; "" = the first page.
func (q *query) cursor(isOne func(string) bool) string {
	text := q.text("cursor")
	if text != "" && !isOne(text) {
		q.refuse("cursor", "wants what next was in the answer before")
	}
	return text
}

// problem returns what is wrong with the parameters.
func (q *query) problem() *Problem {
	if q.wrong == "" {
		return nil
	}
	return &Problem{Code: BadRequest, Detail: q.wrong, Action: "See docs/api.md."}
}

func cut(s string) string { return s[:min(len(s), 40)] }
