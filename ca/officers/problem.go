package officers

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// Code is the stable last part of a problem's type (RFC 9457).
type Code string

// The problems of the officers' API.
const (
	BadRequest         Code = "bad_request"
	CertificateRefused Code = "certificate_refused"
	NotAnOfficer       Code = "not_an_officer"
	MissingRole        Code = "missing_role"
	CrossSite          Code = "cross_site"
	NotFound           Code = "not_found"
	MethodNotAllowed   Code = "method_not_allowed"
	SameOfficer        Code = "same_officer"
	Refused            Code = "refused"
	Repeated           Code = "repeated"
	TooLarge           Code = "too_large"
	NotJSON            Code = "not_json"
	TooMany            Code = "too_many"
	TraceFailed        Code = "trace_failed"
)

// statuses has the HTTP status of every problem.
var statuses = map[Code]int{
	BadRequest:         http.StatusBadRequest,
	CertificateRefused: http.StatusForbidden,
	NotAnOfficer:       http.StatusForbidden,
	MissingRole:        http.StatusForbidden,
	CrossSite:          http.StatusForbidden,
	NotFound:           http.StatusNotFound,
	MethodNotAllowed:   http.StatusMethodNotAllowed,
	SameOfficer:        http.StatusForbidden,
	Refused:            http.StatusConflict,
	Repeated:           http.StatusConflict,
	TooLarge:           http.StatusRequestEntityTooLarge,
	NotJSON:            http.StatusUnsupportedMediaType,
	TooMany:            http.StatusTooManyRequests,
	TraceFailed:        http.StatusServiceUnavailable,
}

// Problem is why the server does not do what it was asked for.
type Problem struct {
	Code   Code
	Detail string // a sentence for people
	Status int    // of HTTP, at the client
}

// Error returns the sentence, and the code.
func (p *Problem) Error() string { return fmt.Sprintf("%s (%s)", p.Detail, p.Code) }

func problemf(code Code, format string, args ...any) *Problem {
	return &Problem{Code: code, Detail: fmt.Sprintf(format, args...)}
}

const (
	problemPrefix = "urn:tlagate:problem:"
	problemType   = "application/problem+json"
	maxDetail     = 4000 // octets
)

type problemJSON struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
}

// answer returns a problem as it is sent.
func (p *Problem) answer() answer {
	status := statuses[p.Code]
	body, _ := json.Marshal(problemJSON{problemPrefix + string(p.Code), strings.ReplaceAll(string(p.Code), "_", " "),
		status, p.Detail[:min(len(p.Detail), maxDetail)]})
	return answer{status, problemType, append(body, '\n')}
}

// readProblem reads one that a server sent; the error is it, or that there is none.
func readProblem(status int, body []byte) error {
	var p problemJSON
	if json.Unmarshal(body, &p) != nil || !strings.HasPrefix(p.Type, problemPrefix) {
		return fmt.Errorf("the server answered HTTP %d, which is no problem of this API", status)
	}
	return &Problem{Code: Code(strings.TrimPrefix(p.Type, problemPrefix)), Detail: p.Detail, Status: status}
}
