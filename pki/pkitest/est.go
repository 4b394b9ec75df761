package pkitest

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// ESTName is in the certificate of an ESTServer, beside localhost.
const ESTName = "pki.example.invalid"

// ESTServer is an EST server for tests (docs/enrolment.md, section 3): it issues certificates for the codes in Codes,
// and records every request. Its fields may be changed while it serves none.
type ESTServer struct {
	Addr        string
	Certificate tls.Certificate                      // its own, with the answer of the issuing CA stapled
	Codes       map[string]string                    // from each code to the identity it is for
	CACerts     []*x509.Certificate                  // what cacerts returns
	ARL         []byte                               // what arl.der returns
	Options     []Option                             // for the certificates that it issues
	Fail        func(path string) (int, string)      // status and body that replace the answer; status 0 = none
	Issue       func(ESTRequest) []*x509.Certificate // what is answered; nil = the certificate that was requested

	pki *PKI

	mu       sync.Mutex // protects the rest
	requests []ESTRequest
	used     map[string]crypto.PublicKey
}

// ESTRequest is a request to an ESTServer.
type ESTRequest struct {
	Path      string
	SNI       string
	Password  string // of HTTP Basic
	Client    *x509.Certificate
	CSR       *x509.CertificateRequest
	Challenge string // challengePassword of the request
	Binding   string // what Challenge has to be on this connection
}

// Allow makes a code good for an identity, even while requests are served.
func (s *ESTServer) Allow(code, identity string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Codes[code] = identity
}

func (s *ESTServer) identityFor(code string) (identity string, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	identity, known = s.Codes[code]
	return identity, known
}

// ServeEST starts an EST server of p that lives as long as the test.
func (p *PKI) ServeEST(t testing.TB) *ESTServer {
	t.Helper()
	s := &ESTServer{pki: p, Codes: map[string]string{}, used: map[string]crypto.PublicKey{}, ARL: p.Root.CRL(),
		CACerts: []*x509.Certificate{p.Issuing.Cert, p.Root.Cert}}
	s.Certificate = p.Issue("urn:tlagate:op:pki:ca1", x509.ExtKeyUsageServerAuth, DNS(ESTName, "localhost"))
	s.Certificate.OCSPStaple = p.Issuing.OCSP(s.Certificate.Leaf, OCSPByCA())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	s.Addr = l.Addr().String()
	conf := &tls.Config{ClientAuth: tls.RequestClientCert, NextProtos: []string{"http/1.1"},
		MinVersion:     tls.VersionTLS13,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &s.Certificate, nil }}
	server := &http.Server{Handler: s, ReadTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = server.Serve(tls.NewListener(l, conf)) }()
	t.Cleanup(func() { server.Close() })
	return s
}

// Requests returns the requests so far.
func (s *ESTServer) Requests() []ESTRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]ESTRequest{}, s.requests...)
}

// ServeHTTP answers a request.
func (s *ESTServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := s.record(r)
	if s.Fail != nil {
		if status, body := s.Fail(q.Path); status != 0 {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
			return
		}
	}
	switch {
	case q.Path == "/arl.der":
		_, _ = w.Write(s.ARL)
	case strings.HasSuffix(q.Path, "/cacerts"):
		_, _ = io.WriteString(w, CertsOnly(s.CACerts...))
	case q.CSR != nil:
		s.enrol(w, q)
	default:
		http.NotFound(w, r)
	}
}

func (s *ESTServer) record(r *http.Request) ESTRequest {
	q := ESTRequest{Path: r.URL.Path, SNI: r.TLS.ServerName}
	_, q.Password, _ = r.BasicAuth()
	if len(r.TLS.PeerCertificates) > 0 {
		q.Client = r.TLS.PeerCertificates[0]
	}
	if value, err := r.TLS.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32); err == nil {
		q.Binding = base64.StdEncoding.EncodeToString(value)
	}
	if body, err := io.ReadAll(io.LimitReader(r.Body, 64<<10)); err == nil && len(body) > 0 {
		der, _ := base64.StdEncoding.DecodeString(strings.NewReplacer("\r", "", "\n", "").Replace(string(body)))
		if csr, err := x509.ParseCertificateRequest(der); err == nil && csr.CheckSignature() == nil {
			q.CSR, q.Challenge = csr, challengeOf(csr)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, q)
	return q
}

func challengeOf(csr *x509.CertificateRequest) string {
	var info struct {
		Version    int
		Subject    asn1.RawValue
		Key        asn1.RawValue
		Attributes []struct {
			ID     asn1.ObjectIdentifier
			Values []asn1.RawValue `asn1:"set"`
		} `asn1:"tag:0,set"`
	}
	if _, err := asn1.Unmarshal(csr.RawTBSCertificateRequest, &info); err != nil {
		return ""
	}
	for _, a := range info.Attributes {
		if a.ID.String() == "1.2.840.113549.1.9.7" && len(a.Values) == 1 {
			return string(a.Values[0].Bytes)
		}
	}
	return ""
}

func (s *ESTServer) enrol(w http.ResponseWriter, q ESTRequest) {
	identity, problem := s.identify(q)
	if problem != "" {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, problem+"\n")
		return
	}
	if s.Issue != nil {
		_, _ = io.WriteString(w, CertsOnly(s.Issue(q)...))
		return
	}
	usage := x509.ExtKeyUsageClientAuth
	opts := append([]Option{PublicKey(q.CSR.PublicKey)}, s.Options...)
	if strings.Contains(q.Path, "-server/") {
		usage, opts = x509.ExtKeyUsageServerAuth, append(opts, DNS("localhost"))
	}
	_, _ = io.WriteString(w, CertsOnly(s.pki.Issue(identity, usage, opts...).Leaf))
}

func (s *ESTServer) identify(q ESTRequest) (identity, problem string) {
	if q.Client != nil {
		return q.Client.URIs[0].String(), ""
	}
	identity, known := s.identityFor(q.Password)
	s.mu.Lock()
	defer s.mu.Unlock()
	used := s.used[q.Password]
	switch {
	case !known:
		return "", "code_unknown: there is no such code"
	case used != nil && !used.(interface{ Equal(crypto.PublicKey) bool }).Equal(q.CSR.PublicKey):
		return "", "code_used: another key has used it"
	}
	s.used[q.Password] = q.CSR.PublicKey
	return identity, ""
}

// CertsOnly returns the body of an EST answer: base64 of a certs-only message.
func CertsOnly(certs ...*x509.Certificate) string {
	var all []byte
	for _, c := range certs {
		all = append(all, c.Raw...)
	}
	der := func(v any) []byte { b, _ := asn1.Marshal(v); return b }
	wrap := func(content []byte) asn1.RawValue {
		return asn1.RawValue{Class: asn1.ClassContextSpecific, IsCompound: true, Bytes: content}
	}
	set := asn1.RawValue{Tag: asn1.TagSet, IsCompound: true}
	type content struct{ Type asn1.ObjectIdentifier }
	signed := der(struct {
		Version int
		Digests asn1.RawValue
		Content content
		Certs   asn1.RawValue
		Signers asn1.RawValue
	}{1, set, content{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}}, wrap(all), set})
	return base64.StdEncoding.EncodeToString(der(struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue
	}{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}, wrap(signed)}))
}
