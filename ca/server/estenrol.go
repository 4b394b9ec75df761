package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
	"unicode"

	"tlagate/ca"
	"tlagate/est"
	"tlagate/internal/retry"
	"tlagate/pki/listen"
)

// estProblem is the error of a request that is refused: one line "word: sentence".
type estProblem struct {
	status int
	word   string
	text   string
	after  time.Duration // when to come back; 0 = not said
	detail error         // for the log alone
}

// Error is for the log.
func (p *estProblem) Error() string {
	if p.detail != nil {
		return p.detail.Error()
	}
	return p.text
}

func refuse(status int, word, format string, args ...any) *estProblem {
	return &estProblem{status: status, word: word, text: fmt.Sprintf(format, args...)}
}

// denials are the answers to the CA's own words; one without a text is answered with the CA's.
var denials = map[ca.Word]estProblem{
	ca.CodeUnknown:        {status: http.StatusUnauthorized, word: "code_unknown"},
	ca.CodeExpired:        {status: http.StatusUnauthorized, word: "code_expired"},
	ca.CodeUsed:           {status: http.StatusUnauthorized, word: "code_used"},
	ca.CertificateRefused: {status: http.StatusForbidden, word: "certificate_refused"},
	ca.WrongProfile:       {status: http.StatusForbidden, word: "wrong_profile"},
	ca.BadRequest:         {status: http.StatusBadRequest, word: "bad_request"},
	ca.BadKey:             {status: http.StatusBadRequest, word: "bad_key"},
	ca.KeyTaken: {status: http.StatusBadRequest, word: "bad_key",
		text: "this key cannot be certified for you: make a new one"},
}

// comeBack is what not_available advises.
const comeBack = 10 * time.Second

func problemOf(err error) *estProblem {
	if p, ok := errors.AsType[*estProblem](err); ok {
		return p
	}
	p, known := denials[ca.DeniedFor(err)]
	switch {
	case !known:
		p = estProblem{status: http.StatusServiceUnavailable, word: "not_available",
			text: "the CA cannot sign now: try again later", after: comeBack}
	case p.text == "":
		p.text = err.Error()
	}
	p.detail = err
	return &p
}

// write sends the answer. A 401 asks for a code (RFC 7030 section 3.2.3). When a caller fails too often its connection
// is closed, so that the next try costs it a handshake.
func (p *estProblem) write(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	if p.status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Basic realm="tlagate enrolment", charset="UTF-8"`)
	}
	if p.after > 0 {
		h.Set("Retry-After", strconv.Itoa(int(p.after.Seconds()+0.999)))
	}
	if p.status == http.StatusTooManyRequests {
		h.Set("Connection", "close")
	}
	w.WriteHeader(p.status)
	fmt.Fprintf(w, "%s: %s\n", p.word, oneLine(p.text))
}

const maxSentence = 300 // octets

// oneLine makes one line of a sentence, whatever a request has brought into it.
func oneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	return strings.ToValidUTF8(text[:min(len(text), maxSentence)], "")
}

// simpleEnrol answers simpleenroll (RFC 7030 section 4.2.1), by a code or by a client certificate.
func (e *estServer) simpleEnrol(w http.ResponseWriter, r *http.Request) {
	e.respond(w, r, func(who caller) (*ca.Issued, error) {
		if _, shown, ok := r.BasicAuth(); ok {
			return e.byCode(r, who, shown)
		}
		if who.peer.Anonymous() {
			return nil, refuse(http.StatusUnauthorized, "code_required", "a code, or a client certificate, is wanted")
		}
		return e.byCertificate(r, who)
	})
}

// simpleReenrol answers simplereenroll (RFC 7030 section 4.2.2).
func (e *estServer) simpleReenrol(w http.ResponseWriter, r *http.Request) {
	e.respond(w, r, func(who caller) (*ca.Issued, error) {
		if who.peer.Anonymous() {
			return nil, refuse(http.StatusUnauthorized, "certificate_required", "a client certificate is wanted")
		}
		return e.byCertificate(r, who)
	})
}

func (e *estServer) respond(w http.ResponseWriter, r *http.Request, issue func(caller) (*ca.Issued, error)) {
	who, ok := r.Context().Value(callerKey{}).(caller)
	if !ok { // cannot happen: the connection was not accepted by us
		http.Error(w, "", http.StatusForbidden)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, estMaxBody)
	issued, err := issue(who)
	if err != nil {
		p := problemOf(err)
		e.trace.RequestRefused(who.peer, r.RemoteAddr, path.Base(r.URL.Path), p.word)
		e.logRefused(r, who.peer.Identity.String(), p)
		p.write(w)
		return
	}
	e.log.Info("certificate enrolled", "remote", r.RemoteAddr, "peer", who.peer.Identity.String(),
		"identity", issued.Identity,
		"profile", issued.Profile, "serial", issued.Serial, "until", issued.NotAfter.Format(time.RFC3339))
	answer(w, pkcs7Type, certsOnly(issued.Certificate.Raw))
}

// logRefused logs a refusal, within the ration of a peer or, for those without a certificate, of where it comes from.
func (e *estServer) logRefused(r *http.Request, peer string, p *estProblem) {
	e.ration.Log(listen.Line{Level: slog.LevelWarn, Message: "enrolment refused", Remote: r.RemoteAddr,
		Reason: p.word, Kind: peer},
		"peer", peer, "path", oneLine(r.URL.Path), "error", p.Error())
}

// byCode enrols the identity that a code invites. A client certificate shown with it changes nothing.
func (e *estServer) byCode(r *http.Request, who caller, shown string) (*ca.Issued, error) {
	code, err := est.ParseCode(shown)
	if err != nil { // the error is about the form of a code, and does not repeat this one
		return nil, e.failed(r, &ca.Denied{Word: ca.CodeUnknown, Err: err})
	}
	if _, err := e.ca.Enrolment.CheckCode(code.Hash()); err != nil {
		return nil, e.failed(r, err)
	}
	return e.certify(r, who, func(csr []byte) (*ca.Issued, error) {
		return e.ca.Enrolment.Enrol(code.Hash(), r.PathValue("label"), csr)
	})
}

// failed answers a code that is refused.
//
// A code's secret has 80 random bits and lives for a day: with ten thousand open codes, a thousand guesses a second
// find one in some thousand million years. So nothing here needs to prevent guessing, and nothing may prevent the use
// of a good code: through a gateway a whole fleet has one address, and an attacker who could have that address locked
// out would stop all of it. Hence a good code is never counted, and the failures of others do not matter to it. What is
// bounded is what guessing costs us: each unknown code is answered late, and an address that goes on is answered
// too_many and loses its connection each time. A code that was once good, and has expired or been used, is no guess and
// is not counted.
func (e *estServer) failed(r *http.Request, err error) error {
	if ca.DeniedFor(err) != ca.CodeUnknown {
		return err
	}
	retry.Sleep(r.Context(), e.delay)
	if wait := e.failures.Take(listen.SourceOf(r.RemoteAddr)); wait > 0 {
		p := refuse(http.StatusTooManyRequests, "too_many",
			"this code is unknown, and too many from your address are: wait, and ask for another")
		p.after = wait
		return p
	}
	return err
}

// byCertificate issues another certificate to a client certificate's identity. The handshake has proved the owner; the
// books are asked again.
func (e *estServer) byCertificate(r *http.Request, who caller) (*ca.Issued, error) {
	if wait := e.renewals.Missing(who.peer.Identity.String()); wait > 0 {
		p := refuse(http.StatusTooManyRequests, "too_many", "this identity has had too many certificates of late")
		p.after = wait
		return nil, p
	}
	issued, err := e.certify(r, who, func(csr []byte) (*ca.Issued, error) {
		return e.ca.Enrolment.Reenrol(who.peer.Chain[0], r.PathValue("label"), csr)
	})
	if err == nil {
		e.renewals.Take(who.peer.Identity.String())
	}
	return issued, err
}

// certify reads the request and has the CA sign, once there is a place.
func (e *estServer) certify(r *http.Request, who caller,
	sign func(csr []byte) (*ca.Issued, error)) (*ca.Issued, error) {
	csr, err := readRequest(r, who)
	if err != nil {
		return nil, err
	}
	leave, err := e.enter(r.Context())
	if err != nil {
		return nil, err
	}
	defer leave()
	return sign(csr)
}

// enter waits for a place; leave frees it.
func (e *estServer) enter(ctx context.Context) (leave func(), err error) {
	select {
	case e.places <- struct{}{}:
		return func() { <-e.places }, nil
	case <-time.After(estWaitTime):
	case <-ctx.Done():
	}
	p := refuse(http.StatusServiceUnavailable, "not_available", "too many are enrolling just now: try again later")
	p.after = comeBack
	return nil, p
}
