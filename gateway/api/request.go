package api

import (
	"net/http"
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
	wrong  string // the first that is
}

// parameters returns the parameters of a request, of which these are known.
func parameters(r *http.Request, known ...string) *query {
	q := &query{}
	if len(r.URL.RawQuery) > maxQuery {
		q.wrong = "query"
		return q
	}
	values := r.URL.Query()
	for name, list := range values {
		if !slices.Contains(known, name) || len(list) > 1 && name != "event" {
			q.wrong = name
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
		q.wrong = "limit"
	}
	return n
}

// time returns a point in time; zero = none is given.
func (q *query) time(name string) (t time.Time) {
	if text := q.text(name); text != "" {
		var err error
		if t, err = time.Parse(time.RFC3339, text); err != nil {
			q.wrong = name
		}
	}
	return t
}

// identity returns an identity; zero = none is given.
func (q *query) identity(name string) (id pki.Identity) {
	if text := q.text(name); text != "" {
		var err error
		if id, err = pki.ParseIdentity(text); err != nil {
			q.wrong = name
		}
	}
	return id
}

// problem returns what is wrong with the parameters.
func (q *query) problem() *Problem {
	if q.wrong == "" {
		return nil
	}
	name := strconv.QuoteToASCII(cut(q.wrong))
	return &Problem{Code: BadRequest, Detail: "The parameter " + name + " is not understood.",
		Action: "See docs/api.md."}
}

func cut(s string) string { return s[:min(len(s), 40)] }
