package pkitest

import (
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ocsp"
)

// OCSPServer is a responder for tests: it answers for its CA truly, or with the lies that a test asks for.
type OCSPServer struct {
	URL string

	ca     *CA
	mu     sync.Mutex // protects the rest
	opts   []OCSPOption
	raw    []byte
	status int
	asked  int
}

// ServeOCSP starts a responder that lives as long as the test.
func (ca *CA) ServeOCSP(t testing.TB) *OCSPServer {
	s := &OCSPServer{ca: ca}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// Answer makes it answer with these options from now on.
func (s *OCSPServer) Answer(opts ...OCSPOption) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opts, s.raw, s.status = opts, nil, 0
}

// AnswerRaw makes it answer with these bytes from now on.
func (s *OCSPServer) AnswerRaw(der []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.raw, s.status = der, 0
}

// Fail makes it answer with this HTTP status from now on.
func (s *OCSPServer) Fail(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = status
}

// Asked returns how many requests there were.
func (s *OCSPServer) Asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// ServeHTTP answers GET and POST of RFC 6960 appendix A.
func (s *OCSPServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if r.Method == http.MethodGet {
		path, _ := url.PathUnescape(strings.TrimPrefix(r.URL.EscapedPath(), "/"))
		body, err = base64.StdEncoding.DecodeString(path)
	}
	request, bad := ocsp.ParseRequest(body)
	s.mu.Lock()
	s.asked++
	opts, raw, status := s.opts, s.raw, s.status
	s.mu.Unlock()
	switch {
	case status != 0:
		w.WriteHeader(status)
		return
	case err != nil || bad != nil:
		raw = OCSPError(1)
	case raw == nil && !s.ours(request):
		raw = OCSPError(6)
	case raw == nil:
		echo := OCSPHash(request.HashAlgorithm)
		raw = s.ca.OCSP(&x509.Certificate{SerialNumber: request.SerialNumber},
			append(append([]OCSPOption{echo}, nonceOf(body)...), opts...)...)
	}
	w.Header().Set("Content-Type", "application/ocsp-response")
	_, _ = w.Write(raw)
}

func (s *OCSPServer) ours(r *ocsp.Request) bool {
	return string(sum(r.HashAlgorithm, s.ca.Cert.RawSubject)) == string(r.IssuerNameHash)
}

// nonceOf returns options that echo a request's nonce.
func nonceOf(der []byte) []OCSPOption {
	var request struct {
		TBS struct {
			List       asn1.RawValue
			Extensions []extension `asn1:"optional,explicit,tag:2"`
		}
	}
	if _, err := asn1.Unmarshal(der, &request); err != nil {
		return nil
	}
	for _, e := range request.TBS.Extensions {
		var nonce []byte
		if _, err := asn1.Unmarshal(e.Value, &nonce); err == nil && e.Id.Equal(oidOCSPNonce) {
			return []OCSPOption{OCSPNonce(nonce)}
		}
	}
	return nil
}

type extension struct {
	Id    asn1.ObjectIdentifier
	Value []byte
}
