package bed

import (
	"crypto/tls"
	"crypto/x509/pkix"
	"encoding/asn1"
	"net/http"
	"slices"
	"sync"

	"tlagate/pki/pkitest"
)

// CRL returns a function that makes the issuing CA publish another list.
func CRL(opts ...pkitest.CRLOption) func(*World, tls.Certificate) {
	return func(w *World, _ tls.Certificate) { pkitest.WriteCRL(w.T, w.Files.CRL, w.Issuing.CRL(opts...)) }
}

// ARL returns a function that makes the root publish another list.
func ARL(opts ...pkitest.CRLOption) func(*World, tls.Certificate) {
	return func(w *World, _ tls.Certificate) { pkitest.WriteCRL(w.T, w.Files.ARL, w.Root.CRL(opts...)) }
}

// CRLServer serves one CRL with an ETag, and counts the answers: Full ones, and those that say it is the Same.
type CRLServer struct {
	mu         sync.Mutex
	body       []byte
	etag       string
	status     int
	Full, Same int
}

// Set sets what is served; with a status other than 0, only that is.
func (s *CRLServer) Set(body []byte, etag string, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.body, s.etag, s.status = body, etag, status
}

// ServeHTTP answers a request.
func (s *CRLServer) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.status != 0 {
		rw.WriteHeader(s.status)
		return
	}
	rw.Header().Set("ETag", s.etag)
	if r.Header.Get("If-None-Match") == s.etag {
		s.Same++
		rw.WriteHeader(http.StatusNotModified)
		return
	}
	s.Full++
	rw.Write(s.body)
}

// Splice returns b with cut bytes at an offset replaced by put.
func Splice(b []byte, at, cut int, put []byte) []byte {
	at = min(at, len(b))
	return slices.Concat(b[:at], put, b[min(at+cut, len(b)):])
}

// EntryIssuer is the extension with which an entry of a CRL names another issuer.
var EntryIssuer = pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 29}, Critical: true, Value: []byte{0x30, 0}}
