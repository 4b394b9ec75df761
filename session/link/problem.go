package link

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tlagate/session/internal/peertext"
)

// ProblemCode is the stable last part of a problem's type.
type ProblemCode string

const problemPrefix = "urn:tlagate:problem:"

// The problems of docs/protocol.md, section 1.
const (
	ProblemBadRequest           ProblemCode = "bad_request"
	ProblemConsentRequired      ProblemCode = "consent_required"
	ProblemBadAuthorization     ProblemCode = "bad_authorization"
	ProblemBadConsent           ProblemCode = "bad_consent"
	ProblemClockWrong           ProblemCode = "clock_wrong"
	ProblemUserRequired         ProblemCode = "user_required"
	ProblemBadProof             ProblemCode = "bad_proof"
	ProblemUserRefused          ProblemCode = "user_refused"
	ProblemUserDenied           ProblemCode = "user_denied"
	ProblemBadTicket            ProblemCode = "bad_ticket"
	ProblemWrongRole            ProblemCode = "wrong_role"
	ProblemWrongPractice        ProblemCode = "wrong_practice"
	ProblemBadServerCertificate ProblemCode = "bad_server_certificate"
	ProblemNotFound             ProblemCode = "not_found"
	ProblemMethodNotAllowed     ProblemCode = "method_not_allowed"
	ProblemTLABusy              ProblemCode = "tla_busy"
	ProblemUpgradeRequired      ProblemCode = "upgrade_required"
	ProblemTooMany              ProblemCode = "too_many"
	ProblemPdTAbsent            ProblemCode = "pdt_absent"
	ProblemDraining             ProblemCode = "draining"
	ProblemTraceFull            ProblemCode = "trace_full"
	ProblemNoBundle             ProblemCode = "no_bundle"
	ProblemBundleOutdated       ProblemCode = "bundle_outdated"
	ProblemVersionOutdated      ProblemCode = "version_outdated"
	ProblemCloneSuspected       ProblemCode = "clone_suspected"
	ProblemBundleRequired       ProblemCode = "bundle_required"
	ProblemNotRGS               ProblemCode = "not_rgs"
)

// Statuses has the HTTP status of every problem.
var Statuses = map[ProblemCode]int{
	ProblemBadRequest:           http.StatusBadRequest,
	ProblemConsentRequired:      http.StatusUnauthorized,
	ProblemBadAuthorization:     http.StatusForbidden,
	ProblemBadConsent:           http.StatusForbidden,
	ProblemClockWrong:           http.StatusForbidden,
	ProblemUserRequired:         http.StatusForbidden,
	ProblemBadProof:             http.StatusForbidden,
	ProblemUserRefused:          http.StatusForbidden,
	ProblemUserDenied:           http.StatusForbidden,
	ProblemBadTicket:            http.StatusForbidden,
	ProblemWrongRole:            http.StatusForbidden,
	ProblemWrongPractice:        http.StatusForbidden,
	ProblemBadServerCertificate: http.StatusForbidden,
	ProblemNotFound:             http.StatusNotFound,
	ProblemMethodNotAllowed:     http.StatusMethodNotAllowed,
	ProblemTLABusy:              http.StatusConflict,
	ProblemUpgradeRequired:      http.StatusUpgradeRequired,
	ProblemTooMany:              http.StatusTooManyRequests,
	ProblemPdTAbsent:            http.StatusServiceUnavailable,
	ProblemDraining:             http.StatusServiceUnavailable,
	ProblemTraceFull:            http.StatusServiceUnavailable,
	ProblemNoBundle:             http.StatusNotFound,
	ProblemBundleOutdated:       http.StatusConflict,
	ProblemVersionOutdated:      http.StatusConflict,
	ProblemCloneSuspected:       http.StatusForbidden,
	ProblemBundleRequired:       http.StatusForbidden,
	ProblemNotRGS:               http.StatusForbidden,
}

// Problem is what a gateway answers instead of an upgrade (RFC 9457).
type Problem struct {
	Code   ProblemCode
	Status int    // HTTP status
	Detail string // one plain sentence
	Action string // what to do about it
	Reason string // of user_refused: why the certificate does not pass, a pki.Reason

	RetryAfter time.Duration // when to ask again, in whole seconds on the wire; 0 = nothing is said of it
}

func (p *Problem) Error() string {
	return strings.TrimSpace(fmt.Sprintf("%s: %s %s", p.Code, p.Detail, p.Action))
}

type problemJSON struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Action string `json:"action,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// WriteTo answers a request with p. Other header fields must be set before.
func (p *Problem) WriteTo(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	if p.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((p.RetryAfter+time.Second-1)/time.Second)))
	}
	status := Statuses[p.Code]
	w.WriteHeader(status)
	title := strings.ReplaceAll(string(p.Code), "_", " ")
	_ = json.NewEncoder(w).Encode(problemJSON{problemPrefix + string(p.Code), title, status, p.Detail, p.Action,
		p.Reason})
}

// readProblem reads the problem of a response that is no upgrade.
func readProblem(resp *http.Response) error {
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	body, err := io.ReadAll(io.LimitReader(resp.Body, 8<<10))
	if err != nil {
		return fmt.Errorf("cannot read the gateway's answer: %w", err)
	}
	var pj problemJSON
	if kind != "application/problem+json" || json.Unmarshal(body, &pj) != nil ||
		!strings.HasPrefix(pj.Type, problemPrefix) {
		return fmt.Errorf("gateway answered HTTP %d, which is neither an upgrade nor a problem of this protocol",
			resp.StatusCode)
	}
	code := ProblemCode(peertext.Clean(strings.TrimPrefix(pj.Type, problemPrefix)))
	return &Problem{Code: code, Status: resp.StatusCode, Detail: peertext.Clean(pj.Detail),
		Action: peertext.Clean(pj.Action), Reason: peertext.Clean(pj.Reason), RetryAfter: retryAfter(resp.Header)}
}

// RetryAfter returns when the gateway whose problem err is wants to be asked again; 0 = err says nothing of it.
func RetryAfter(err error) time.Duration {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p.RetryAfter
	}
	return 0
}

// longestRetry bounds what a gateway may say of when to ask again.
const longestRetry = time.Hour

// retryAfter reads the seconds of Retry-After (RFC 9110 section 10.2.3). Anything else, such as a date, is as if it
// were absent.
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.ParseUint(h.Get("Retry-After"), 10, 31)
	if err != nil {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, longestRetry)
}
