package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
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

// checkOrigin refuses an act that a web page of somebody else's may have caused. A browser cannot send JSON to another
// origin without asking first, which is never answered.
func checkOrigin(r *http.Request) *Problem {
	for _, site := range r.Header.Values("Sec-Fetch-Site") {
		if site != "same-origin" && site != "none" {
			return &Problem{Code: CrossSite, Detail: "This request was caused by a page of another site."}
		}
	}
	types := r.Header.Values("Content-Type")
	if len(types) == 1 {
		if kind, _, err := mime.ParseMediaType(types[0]); err == nil && kind == "application/json" {
			return nil
		}
	}
	return &Problem{Code: WrongType, Detail: "An act is sent as application/json.",
		Action: "Send Content-Type: application/json."}
}

// readBody returns the body of a request, of so many octets at most.
func readBody(w http.ResponseWriter, r *http.Request, most int64) ([]byte, *Problem) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if _, long := errors.AsType[*http.MaxBytesError](err); long {
		return nil, &Problem{Code: TooLarge, Detail: fmt.Sprintf("The body is longer than %d KiB.", most>>10)}
	}
	if err != nil {
		return nil, &Problem{Code: BadRequest, Detail: "The body did not come whole, or not in time."}
	}
	return body, nil
}

// decode reads one JSON object, with no member that is not known.
func decode(body []byte, into any) *Problem {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return &Problem{Code: BadRequest, Detail: "The body is not the JSON that this act takes.",
			Action: "See docs/api.md."}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return &Problem{Code: BadRequest, Detail: "Something follows the JSON of the body."}
	}
	return nil
}

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
