package server

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/asn1"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"tlagate/audit/peers"
	"tlagate/ca"
	"tlagate/est"
	"tlagate/internal/der"
	"tlagate/pki/listen"
	"tlagate/pki/trust"
)

// This file is the EST server (RFC 7030, RFC 8951): its listener, its paths, and what it answers to everybody.
// estenrol.go issues certificates. docs/enrolment.md, section 3, is the specification.

// EST bounds the EST server. The zero value is fine.
type EST struct {
	Connections int           // at once; 0 = 1024. One from which nothing comes is closed after 10 s
	Enrolments  int           // at once; others wait a little, then are told to come back; 0 = 16
	Failures    int           // unknown codes from one address before the answer is too_many; 0 = 20
	FailureTime time.Duration // after which one more is allowed; 0 = 3 s
	Delay       time.Duration // before an unknown code is answered; 0 = 1 s
	Renewals    int           // certificates for one identity by its client certificate before too_many; 0 = 20
	RenewalTime time.Duration // after which one more is allowed; 0 = 30 min
}

func (c EST) withDefaults() EST {
	c.Connections = cmp.Or(c.Connections, 1024)
	c.Enrolments = cmp.Or(c.Enrolments, 16)
	c.Failures = cmp.Or(c.Failures, 20)
	c.FailureTime = cmp.Or(c.FailureTime, 3*time.Second)
	c.Delay = cmp.Or(c.Delay, time.Second)
	c.Renewals = cmp.Or(c.Renewals, 20)
	c.RenewalTime = cmp.Or(c.RenewalTime, 30*time.Minute)
	return c
}

const (
	estPrefix   = "/.well-known/est/"
	estMaxBody  = 64 << 10         // octets of a request, base64
	estWaitTime = 5 * time.Second  // for a place among the enrolments
	estReadTime = 20 * time.Second // for a whole request
	estSignTime = time.Minute      // for the answer: another program may be writing to the CA for half of it
	estRequests = 32               // on one connection, which is closed then: more cost another handshake
	pkcs7Type   = "application/pkcs7-mime; smime-type=certs-only"
)

// estServer answers EST.
type estServer struct {
	ca       *ca.CA
	log      *slog.Logger
	ration   *listen.Ration // of the log, for refusals
	trace    *peers.Trace
	delay    time.Duration
	places   chan struct{}  // of enrolments
	failures *listen.Budget // by address
	renewals *listen.Budget // by identity
}

// budgetNames bounds the addresses, and identities, that budgets tell apart.
const budgetNames = 4096

func (s *Server) newESTServer() *estServer {
	cfg := s.cfg.EST
	return &estServer{ca: s.cfg.CA, log: s.log, ration: s.ration, trace: s.trace.est, delay: cfg.Delay,
		places:   make(chan struct{}, cfg.Enrolments),
		failures: listen.NewBudget(cfg.Failures, cfg.FailureTime, budgetNames),
		renewals: listen.NewBudget(cfg.Renewals, cfg.RenewalTime, budgetNames)}
}

// serveEST runs the EST server on l.
func (s *Server) serveEST(l net.Listener) (net.Listener, *http.Server) {
	party := *s.cfg.Party
	party.Certificate = s.staple.certificate
	// All devices of an operator may come from one address, that of their gateway, which bounds each of them itself.
	accepting := listen.Config{Party: &party, Log: s.log, Open: true, Handshakes: s.cfg.EST.Connections,
		Refused: s.trace.est.Refused}
	return listen.New(l, accepting), &http.Server{
		Handler:           s.newESTServer().handler(s.newFiles()),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       estReadTime,
		WriteTimeout:      estSignTime,
		IdleTimeout:       10 * time.Second,
		MaxHeaderBytes:    8 << 10,
		ConnContext:       s.withCaller,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

// caller is the other end of a connection.
type caller struct {
	peer    *trust.Peer            // perhaps anonymous
	binding func() (string, error) // est.ChannelBinding of the connection
	asked   *atomic.Int32          // requests on it
}

type callerKey struct{}

// withCaller lets handlers find the caller of a request. It records who has a certificate; a stranger leaves a line
// only with what is asked for.
func (s *Server) withCaller(ctx context.Context, c net.Conn) context.Context {
	proven, ok := c.(*listen.Conn)
	if !ok {
		return ctx
	}
	over, ok := proven.Conn.(*tls.Conn)
	if !ok {
		return ctx
	}
	if !proven.Peer.Anonymous() {
		s.trace.est.Accepted(proven.Peer, proven.RemoteAddr().String())
	}
	binding := func() (string, error) { return est.ChannelBinding(over.ConnectionState()) }
	return context.WithValue(ctx, callerKey{}, caller{proven.Peer, binding, new(atomic.Int32)})
}

// handler routes requests. Each is possible below a label too (RFC 7030 section 3.2.2).
func (e *estServer) handler(public http.Handler) http.Handler {
	mux := http.NewServeMux()
	for _, at := range []string{estPrefix, estPrefix + "{label}/"} {
		mux.HandleFunc("GET "+at+"cacerts", e.cacerts)
		mux.HandleFunc("GET "+at+"csrattrs", e.csrattrs)
		mux.HandleFunc("POST "+at+"simpleenroll", e.simpleEnrol)
		mux.HandleFunc("POST "+at+"simplereenroll", e.simpleReenrol)
	}
	for _, name := range []string{"arl.der", "root.cer", "issuing.cer"} {
		mux.Handle("GET /"+name, public)
	}
	return bounded(mux)
}

// bounded closes a connection with the answer to the last request that it may bring, whatever became of them.
func bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if who, ok := r.Context().Value(callerKey{}).(caller); ok && who.asked.Add(1) >= estRequests {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

func (e *estServer) cacerts(w http.ResponseWriter, _ *http.Request) {
	answer(w, pkcs7Type, certsOnly(e.ca.Issuing.Raw, e.ca.Root.Raw))
}

func (e *estServer) csrattrs(w http.ResponseWriter, _ *http.Request) {
	answer(w, "application/csrattrs", csrAttributes())
}

// answer sends DER as RFC 7030 does, in base64. Only older clients need the header that says so (RFC 8951 section 3.1).
func answer(w http.ResponseWriter, kind string, der []byte) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Transfer-Encoding", "base64")
	w.Header().Set("Cache-Control", "no-store")
	text := base64.StdEncoding.EncodeToString(der)
	for ; len(text) > base64Line; text = text[base64Line:] {
		fmt.Fprintf(w, "%s\r\n", text[:base64Line])
	}
	fmt.Fprintf(w, "%s\r\n", text)
}

const base64Line = 64 // characters

var (
	oidECKey = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
	oidP256  = asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}
)

// certsOnly returns certificates (DER) as a CMS message that signs nothing (RFC 5272 section 4.1, RFC 5652 section
// 5.1).
func certsOnly(certs ...[]byte) []byte {
	var out cryptobyte.Builder
	der.AddSignedData(&out, func(signed *cryptobyte.Builder) {
		signed.AddASN1Int64(1)
		signed.AddASN1(cbasn1.SET, nothing) // digest algorithms
		signed.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(der.Data) })
		signed.AddASN1(der.Context0, func(list *cryptobyte.Builder) { list.AddBytes(bytes.Join(certs, nil)) })
		signed.AddASN1(cbasn1.SET, nothing) // signers
	})
	return out.BytesOrPanic() // cannot panic: constants, and certificates that were parsed
}

func nothing(*cryptobyte.Builder) {}

// csrAttributes says what a request should be (RFC 7030 section 4.5.2): a key on P-256, signed with SHA-256.
func csrAttributes() []byte {
	var out cryptobyte.Builder
	out.AddASN1(cbasn1.SEQUENCE, func(list *cryptobyte.Builder) {
		list.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oidECKey)
			b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oidP256) })
		})
		list.AddASN1ObjectIdentifier(der.ECDSAWithSHA256)
	})
	return out.BytesOrPanic() // cannot panic: constants
}
