// Package acts is what the HTTP APIs of gateway and PKI have in common: the form of an act, answers and problems
// (RFC 9457), and that an act sent again with its Idempotency-Key is done once.
package acts

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Code is the stable last part of a problem's type.
type Code string

// The problems of both APIs.
const (
	BadRequest       Code = "bad_request"
	CrossSite        Code = "cross_site"
	NotFound         Code = "not_found"
	MethodNotAllowed Code = "method_not_allowed"
	Conflict         Code = "conflict"
	TooLarge         Code = "too_large"
	WrongType        Code = "wrong_content_type"
	KeyReused        Code = "idempotency_key_reused"
	TooMany          Code = "too_many"
)

// Those of the gateway's API alone.
const (
	Unproven     Code = "unproven"
	RoleRequired Code = "role_required"
	TraceFull    Code = "trace_full"
	Failed       Code = "failed"
)

// Those of the officers' API alone.
const (
	CertificateRefused Code = "certificate_refused"
	NotAnOfficer       Code = "not_an_officer"
	MissingRole        Code = "missing_role"
	SameOfficer        Code = "same_officer"
	Refused            Code = "refused"
	TraceFailed        Code = "trace_failed"
)

// Statuses has the HTTP status of every problem.
var Statuses = map[Code]int{
	BadRequest:       http.StatusBadRequest,
	CrossSite:        http.StatusForbidden,
	NotFound:         http.StatusNotFound,
	MethodNotAllowed: http.StatusMethodNotAllowed,
	Conflict:         http.StatusConflict,
	TooLarge:         http.StatusRequestEntityTooLarge,
	WrongType:        http.StatusUnsupportedMediaType,
	KeyReused:        http.StatusUnprocessableEntity,
	TooMany:          http.StatusTooManyRequests,

	Unproven:     http.StatusUnauthorized,
	RoleRequired: http.StatusForbidden,
	TraceFull:    http.StatusServiceUnavailable,
	Failed:       http.StatusInternalServerError,

	CertificateRefused: http.StatusForbidden,
	NotAnOfficer:       http.StatusForbidden,
	MissingRole:        http.StatusForbidden,
	SameOfficer:        http.StatusForbidden,
	Refused:            http.StatusConflict,
	TraceFailed:        http.StatusServiceUnavailable,
}

// Prefix is what the type of a problem has before its code.
const Prefix = "urn:tlagate:problem:"

const (
	problemKind = "application/problem+json"
	maxDetail   = 4000 // octets
)

// Problem is an answer other than the one that was asked for.
type Problem struct {
	Code   Code
	Detail string        // one plain sentence
	Action string        // what to do about it
	Wait   time.Duration // with TooMany: before it makes sense to ask again; 0 = not known
}

// Error returns the sentences, and the code.
func (p *Problem) Error() string {
	return fmt.Sprintf("%s (%s)", strings.TrimSpace(p.Detail+" "+p.Action), p.Code)
}

// Document is a problem as it is sent.
type Document struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Action string `json:"action,omitempty"`
}

// Answer returns the problem as an answer.
func (p *Problem) Answer() *Answer {
	status := Statuses[p.Code]
	detail := strings.ToValidUTF8(p.Detail[:min(len(p.Detail), maxDetail)], "")
	a := JSON(status, Document{Prefix + string(p.Code), http.StatusText(status), status, detail, p.Action})
	a.Kind = problemKind
	if p.Wait > 0 {
		a.Retry = strconv.Itoa(int(p.Wait/time.Second) + 1)
	}
	return a
}

// ReadProblem reads a problem that a server sent; nil = it is none.
func ReadProblem(body []byte) *Problem {
	var d Document
	err := json.Unmarshal(body, &d)
	code, ok := strings.CutPrefix(d.Type, Prefix)
	if err != nil || !ok {
		return nil
	}
	return &Problem{Code: Code(code), Detail: d.Detail, Action: d.Action}
}

// Answer is what a request is answered, whole.
type Answer struct {
	Status int
	Kind   string // media type
	Body   []byte
	Retry  string // Retry-After; "" = none
	Allow  string // Allow; "" = none
}

// JSON returns v as an answer.
func JSON(status int, v any) *Answer {
	body, err := json.Marshal(v)
	if err != nil { // nothing of ours that cannot be
		return &Answer{Status: http.StatusInternalServerError, Kind: "text/plain"}
	}
	return &Answer{Status: status, Kind: "application/json", Body: append(body, '\n')}
}

// Guard has browsers and caches keep nothing of an answer, show it in no frame, and take it for nothing else.
func Guard(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
}

// Write sends the answer.
func (a *Answer) Write(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", a.Kind)
	h.Set("Content-Length", strconv.Itoa(len(a.Body)))
	if a.Retry != "" {
		h.Set("Retry-After", a.Retry)
	}
	if a.Allow != "" {
		h.Set("Allow", a.Allow)
	}
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body)
}
