package ocsp

import (
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Limits of a request over HTTP, in bytes.
const (
	maxGET    = 4 << 10 // of the URL's path
	maxPOST   = 64 << 10
	maxHeader = maxGET + 4<<10
)

const (
	typeRequest  = "application/ocsp-request"
	typeResponse = "application/ocsp-response"
)

// Header values that are the same in every answer.
var (
	valueResponse = []string{typeResponse}
	valueNoStore  = []string{"no-store"}
)

// ServeHTTP answers GET (RFC 6960, A.1; RFC 5019, 5) and POST. An OCSP error is an answer too, with HTTP status 200;
// other statuses mean that there was no OCSP request in the HTTP request.
func (r *Responder) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	der, status := r.receive(w, q)
	if status != 0 {
		r.refuseHTTP(w, status)
		return
	}
	asked, a, no := r.respond(der)
	w.Header()["Content-Type"] = valueResponse
	switch {
	case no != nil:
		r.counts.count(no)
		r.log.Debug("not answered", "reason", no.reason, "from", q.RemoteAddr, "error", no.err)
		w.Header()["Cache-Control"] = valueNoStore
		w.Write(no.der)
	case asked.nonce != nil:
		r.counts.nonces.Add(1)
		w.Header()["Cache-Control"] = valueNoStore
		a.write(w)
	default:
		r.counts.plain.Add(1)
		r.writeCacheable(w, q, a)
	}
}

// refuseHTTP answers that there was no OCSP request; a 400 also says so in OCSP's own form.
func (r *Responder) refuseHTTP(w http.ResponseWriter, status int) {
	r.counts.http.Add(1)
	w.Header()["Cache-Control"] = valueNoStore
	if status != http.StatusBadRequest {
		http.Error(w, http.StatusText(status), status)
		return
	}
	w.Header()["Content-Type"] = valueResponse
	w.WriteHeader(status)
	w.Write(malformedRequest)
}

// receive returns the OCSP request in an HTTP request; status is not 0 when that fails.
func (r *Responder) receive(w http.ResponseWriter, q *http.Request) (der []byte, status int) {
	switch q.Method {
	case http.MethodGet, http.MethodHead:
		return r.receiveGET(q)
	case http.MethodPost:
		return r.receivePOST(w, q)
	}
	w.Header().Set("Allow", "GET, HEAD, POST")
	return nil, http.StatusMethodNotAllowed
}

// receiveGET reads base64 from the path. A request's base64 begins with M, so it is clear where the path of the URL
// before it ends. Base64 has slashes, which clients escape or not, or double by mistake. Its plus signs arrive as
// blanks if something on the way took the path for a form, and some clients omit the padding; nothing is lost by
// either.
func (r *Responder) receiveGET(q *http.Request) (der []byte, status int) {
	text := strings.TrimLeft(strings.TrimPrefix(q.URL.Path, r.cfg.Path), "/")
	switch {
	case len(text) > maxGET:
		return nil, http.StatusRequestURITooLong
	case text == "":
		return nil, http.StatusNotFound
	}
	text = strings.TrimRight(strings.ReplaceAll(text, " ", "+"), "=")
	der, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return nil, http.StatusBadRequest
	}
	return der, 0
}

func (r *Responder) receivePOST(w http.ResponseWriter, q *http.Request) (der []byte, status int) {
	if path := strings.TrimSuffix(q.URL.Path, "/"); path != "" && path != strings.TrimSuffix(r.cfg.Path, "/") {
		return nil, http.StatusNotFound
	}
	if !isRequestType(q.Header.Get("Content-Type")) {
		return nil, http.StatusUnsupportedMediaType
	}
	if q.ContentLength > maxPOST {
		return nil, http.StatusRequestEntityTooLarge
	}
	der, err := readBody(http.MaxBytesReader(w, q.Body, maxPOST), q.ContentLength)
	if _, tooLong := errors.AsType[*http.MaxBytesError](err); tooLong {
		return nil, http.StatusRequestEntityTooLarge
	}
	if err != nil {
		return nil, http.StatusBadRequest
	}
	return der, 0
}

func isRequestType(field string) bool {
	if field == typeRequest {
		return true
	}
	media, _, err := mime.ParseMediaType(field)
	return err == nil && media == typeRequest
}

// readBody reads a body of length bytes; -1 = unknown.
func readBody(body io.Reader, length int64) ([]byte, error) {
	if length < 0 {
		return io.ReadAll(body)
	}
	buf := make([]byte, length)
	_, err := io.ReadFull(body, buf)
	return buf, err
}

func (a *answer) write(w http.ResponseWriter) {
	w.Header()["Content-Length"] = a.fields.length
	w.Write(a.der)
}

// writeCacheable writes an answer that caches may keep until it ends (RFC 5019, 6.2).
func (r *Responder) writeCacheable(w http.ResponseWriter, q *http.Request, a *answer) {
	h := w.Header()
	h["Last-Modified"] = a.fields.lastModified
	h["Expires"] = a.fields.expires
	h["Etag"] = a.fields.etag
	age := max(0, a.nextUpdate.Sub(r.cfg.Clock())/time.Second)
	h["Cache-Control"] = []string{"max-age=" + strconv.Itoa(int(age)) + ", public, no-transform, must-revalidate"}
	if q.Method != http.MethodPost && matches(q.Header["If-None-Match"], a.fields.etag[0]) {
		r.counts.unchanged.Add(1)
		w.WriteHeader(http.StatusNotModified)
		return
	}
	a.write(w)
}

// matches compares weakly, as If-None-Match requires (RFC 9110, 13.1.2).
func matches(fields []string, etag string) bool {
	for _, field := range fields {
		for tag := range strings.SplitSeq(field, ",") {
			tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
			if tag == etag || tag == "*" {
				return true
			}
		}
	}
	return false
}
