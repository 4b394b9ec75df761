package api

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// Code is the stable last part of a problem's type.
type Code string

// The problems of docs/api.md.
const (
	BadRequest       Code = "bad_request"
	Unproven         Code = "unproven"
	Forbidden        Code = "role_required"
	CrossSite        Code = "cross_site"
	NotFound         Code = "not_found"
	MethodNotAllowed Code = "method_not_allowed"
	Conflict         Code = "conflict"
	TooLarge         Code = "too_large"
	WrongType        Code = "wrong_content_type"
	KeyReused        Code = "idempotency_key_reused"
	TooMany          Code = "too_many"
	TraceFull        Code = "trace_full"
	Failed           Code = "failed"
)

// Statuses has the HTTP status of every problem.
var Statuses = map[Code]int{
	BadRequest:       http.StatusBadRequest,
	Unproven:         http.StatusUnauthorized,
	Forbidden:        http.StatusForbidden,
	CrossSite:        http.StatusForbidden,
	NotFound:         http.StatusNotFound,
	MethodNotAllowed: http.StatusMethodNotAllowed,
	Conflict:         http.StatusConflict,
	TooLarge:         http.StatusRequestEntityTooLarge,
	WrongType:        http.StatusUnsupportedMediaType,
	KeyReused:        http.StatusUnprocessableEntity,
	TooMany:          http.StatusTooManyRequests,
	TraceFull:        http.StatusServiceUnavailable,
	Failed:           http.StatusInternalServerError,
}

const problemPrefix = "urn:tlagate:problem:"

// Problem is an answer other than the one that was asked for (RFC 9457).
type Problem struct {
	Code   Code
	Detail string        // one plain sentence
	Action string        // what to do about it
	Wait   time.Duration // with TooMany: before it makes sense to ask again; 0 = not known
}

// Error returns the sentences.
func (p *Problem) Error() string {
	if p.Action == "" {
		return string(p.Code) + ": " + p.Detail
	}
	return string(p.Code) + ": " + p.Detail + " " + p.Action
}

// ProblemAnswer is a problem as it is sent.
type ProblemAnswer struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Action string `json:"action,omitempty"`
}

// answer returns the problem as an answer.
func (p *Problem) answer() *answer {
	status := Statuses[p.Code]
	a := newAnswer(status, ProblemAnswer{problemPrefix + string(p.Code), http.StatusText(status), status, p.Detail,
		p.Action})
	a.kind = "application/problem+json"
	if p.Wait > 0 {
		a.retry = strconv.Itoa(int(p.Wait/time.Second) + 1)
	}
	return a
}

// answer is what a request is answered, whole.
type answer struct {
	status int
	kind   string // media type
	body   []byte
	retry  string // Retry-After; "" = none
	allow  string // Allow; "" = none
}

func newAnswer(status int, v any) *answer {
	body, err := json.Marshal(v)
	if err != nil { // nothing of ours that cannot be
		return &answer{status: http.StatusInternalServerError, kind: "text/plain"}
	}
	return &answer{status: status, kind: "application/json", body: append(body, '\n')}
}

func (a *answer) write(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", a.kind)
	h.Set("Content-Length", strconv.Itoa(len(a.body)))
	if a.retry != "" {
		h.Set("Retry-After", a.retry)
	}
	if a.allow != "" {
		h.Set("Allow", a.allow)
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body)
}
