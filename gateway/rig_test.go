package gateway

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"flag"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"tlagate/pki"
	"tlagate/pki/pkitest"
	"tlagate/pki/trust"
	"tlagate/session/consent/consenttest"
	"tlagate/session/link"
)

// Tests wait more than they work.
func TestMain(m *testing.M) {
	_ = flag.Set("test.parallel", "8")
	goleak.VerifyTestMain(m)
}

// The identities of the tests.
const (
	tla1    = "urn:tlagate:cab1:tla:t1"
	tla2    = "urn:tlagate:cab2:tla:t2"
	pdt1    = "urn:tlagate:cab1:pdt:p1"
	pdt2    = "urn:tlagate:cab2:pdt:p2"
	admin1  = "urn:tlagate:cab1:admin:a1"
	gateway = "urn:tlagate:op:gateway:g1"
)

const (
	patience = 2 * time.Minute // for what must happen
	clients  = x509.ExtKeyUsageClientAuth
	servers  = x509.ExtKeyUsageServerAuth
)

// rig is a running gateway and what its peers need.
type rig struct {
	t      testing.TB
	ca     *pkitest.PKI
	dir    string
	files  pkitest.Files
	trust  *trust.Trust
	addr   string
	crypto pki.Crypto
	clock  func() time.Time // of the trust store; nil = time.Now
	g      *Gateway
	log    *logBook
	stop   context.CancelFunc
	ended  chan error // what Serve returned
	ends   link.Config
}

type option func(*rig, *Config)

func limited(l Limits) option { return func(_ *rig, c *Config) { c.Limits = l } }

// strictly has gateway and peers keep to crypto: rgs.
func strictly(r *rig, c *Config) {
	r.crypto = pki.CryptoRGS
	r.openTrust()
	c.Party.Trust = r.trust
}

func handshake(d time.Duration) option { return func(_ *rig, c *Config) { c.Party.Timeout = d } }

func allowing(tla, pdt string) option {
	return func(r *rig, c *Config) {
		rule, err := ParseRule(tla, pdt)
		require.NoError(r.t, err)
		c.Access = append(c.Access, rule)
	}
}

// unhurried is the configuration of an end that no heartbeat cuts off, whoever reads and however slow the machine is.
var unhurried = link.Config{Heartbeat: time.Hour}

// start runs a gateway, in a test that runs in parallel with others.
func start(t *testing.T, opts ...option) *rig {
	t.Helper()
	t.Parallel()
	return begin(t, opts...)
}

// begin runs a gateway.
func begin(t testing.TB, opts ...option) *rig {
	t.Helper()
	r := &rig{t: t, ca: pkitest.New(t), dir: t.TempDir(), log: newLogBook(t),
		ended: make(chan error, 1), ends: unhurried}
	r.files = r.ca.WriteTrust(r.dir)
	r.openTrust()
	own := r.ca.Issue(gateway, servers, pkitest.DNS("localhost"))
	cfg := Config{Party: &trust.Party{Trust: r.trust, Certificate: func() *tls.Certificate { return &own }},
		Log: slog.New(slog.NewJSONHandler(r.log, nil))}
	for _, o := range opts {
		o(r, &cfg)
	}
	for _, d := range []*time.Duration{&cfg.Limits.Heartbeat, &cfg.Limits.Request, &cfg.Party.Timeout} {
		*d = cmp.Or(*d, time.Hour) // limits that a test is not about must not fail it on a slow machine
	}
	r.serve(cfg)
	return r
}

func (r *rig) openTrust() {
	store, err := trust.Open(trust.Config{
		Anchors:       []trust.AnchorFile{{File: r.files.Anchor, Practices: []string{"*"}}},
		Intermediates: []string{r.files.Intermediate},
		CRLs:          r.files.CRLs(), Poll: 50 * time.Millisecond, Crypto: r.crypto, Clock: r.clock,
	})
	require.NoError(r.t, err)
	r.trust = store
	r.background(func(ctx context.Context) { _ = store.Run(ctx) })
}

// background runs f until the test ends.
func (r *rig) background(f func(context.Context)) {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); f(ctx) }()
	r.t.Cleanup(func() { stop(); <-done })
}

func (r *rig) serve(cfg Config) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(r.t, err)
	r.addr, r.g = l.Addr().String(), New(cfg)
	var ctx context.Context
	ctx, r.stop = context.WithCancel(context.Background())
	go func() { r.ended <- r.g.Serve(ctx, l); close(r.ended) }()
	r.t.Cleanup(func() {
		r.stop()
		require.NoError(r.t, <-r.ended)
	})
}

// dial connects with a client certificate; the connection is closed when the test ends.
func (r *rig) dial(cert tls.Certificate) net.Conn {
	r.t.Helper()
	c, err := net.Dial("tcp", r.addr)
	require.NoError(r.t, err)
	conn, _, err := r.party(cert).Client(r.t.Context(), c, trust.ALPNOuter,
		trust.Want{Usage: servers, DNSName: "localhost"})
	require.NoError(r.t, err)
	r.t.Cleanup(func() { conn.Close() })
	return conn
}

func (r *rig) party(cert tls.Certificate) *trust.Party {
	return &trust.Party{Trust: r.trust, Certificate: func() *tls.Certificate { return &cert }, Timeout: patience}
}

func (r *rig) as(identity string) net.Conn {
	r.t.Helper()
	return r.dial(r.ca.Issue(identity, clients))
}

// pdt is a PdT with both its certificates.
type pdt struct{ client, server tls.Certificate }

func (r *rig) pdt(identity string) pdt {
	return pdt{r.ca.Issue(identity, clients), r.ca.Issue(identity, servers, pkitest.DNS("pdt.invalid"))}
}

func (r *rig) tryPark(p pdt, cfg link.Config) (*link.Conn, error) {
	r.t.Helper()
	l, err := link.Park(r.t.Context(), r.dial(p.client), p.server.Certificate, cfg)
	if err == nil {
		r.t.Cleanup(func() { l.Close() })
	}
	return l, err
}

func (r *rig) park(p pdt) *link.Conn {
	r.t.Helper()
	before := r.parked()
	l, err := r.tryPark(p, unhurried)
	require.NoError(r.t, err)
	r.eventually("link parked", func() bool { return r.parked() > before })
	return l
}

func (r *rig) parked() int {
	links, _ := r.g.parked.count()
	return links
}

func newID() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}

// asking returns a function that opens, once, a session of a TLA with pdt1.
func (r *rig) asking(tla string) func(context.Context) (*link.Conn, error) {
	cert, id := r.ca.Issue(tla, clients), newID()
	c := r.dial(cert)
	return func(ctx context.Context) (*link.Conn, error) {
		return link.Open(ctx, c, pdt1, id, link.Config{Heartbeat: unhurried.Heartbeat,
			Consent: consenttest.By(cert, pdt1, id)})
	}
}

// askingLate is asking for a session with pdt1, which goes away between the two requests.
func (r *rig) askingLate(tla string) func(context.Context) (*link.Conn, error) {
	cert, id := r.ca.Issue(tla, clients), newID()
	c, far := r.dial(cert), r.park(r.pdt(pdt1))
	return func(ctx context.Context) (*link.Conn, error) {
		return link.Open(ctx, c, pdt1, id, link.Config{Heartbeat: unhurried.Heartbeat,
			Consent: func(nonce string) (string, error) {
				far.Close()
				for r.parked() > 0 && ctx.Err() == nil {
					time.Sleep(time.Millisecond)
				}
				return consenttest.By(cert, pdt1, id)(nonce)
			}})
	}
}

func (r *rig) tryOpen(tla tls.Certificate, pdt string) (*link.Conn, error) {
	r.t.Helper()
	id, cfg := newID(), r.ends
	us, err := pki.IdentityOf(tla.Leaf)
	require.NoError(r.t, err)
	asked, _ := resolve(pdt, us) // a name of no PdT is refused before the consent is read
	cfg.Consent = consenttest.By(tla, asked.String(), id)
	l, err := link.Open(r.t.Context(), r.dial(tla), pdt, id, cfg)
	if err == nil {
		r.t.Cleanup(func() { l.Close() })
	}
	return l, err
}

// joined returns the two ends of a session.
func (r *rig) joined(tla tls.Certificate, p pdt) (*link.Conn, *link.Conn) {
	r.t.Helper()
	far := r.park(p)
	near, err := r.tryOpen(tla, p.client.Leaf.URIs[0].String())
	require.NoError(r.t, err)
	_, err = far.WaitJoined()
	require.NoError(r.t, err)
	return near, far
}

func (r *rig) eventually(what string, ok func() bool) {
	r.t.Helper()
	require.Eventually(r.t, ok, patience, 5*time.Millisecond, what)
}

// requireProblem requires err to be a problem with this code.
func requireProblem(t testing.TB, code link.ProblemCode, err error) *link.Problem {
	t.Helper()
	var p *link.Problem
	require.ErrorAs(t, err, &p)
	require.Equal(t, code, p.Code)
	require.Equal(t, link.Statuses[code], p.Status)
	require.NotEmpty(t, p.Detail)
	return p
}

// requireNotice reads until the link is over, and requires its last notice to have this code.
func requireNotice(t testing.TB, code link.Code, l *link.Conn) *link.Notice {
	t.Helper()
	require.NoError(t, l.SetReadDeadline(time.Now().Add(patience)))
	_, err := io.Copy(io.Discard, onlyReader{l})
	var n *link.Notice
	require.ErrorAs(t, err, &n)
	require.Equal(t, code, n.Code, n.Text)
	l.Close()
	return n
}

type onlyReader struct{ io.Reader }

// request sends one request by hand and returns the answer.
func request(t testing.TB, c net.Conn, method, target string, header http.Header) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequest(method, "https://gateway"+target, nil)
	require.NoError(t, err)
	if header != nil {
		req.Header = header
	}
	require.NoError(t, req.Write(c))
	require.NoError(t, c.SetReadDeadline(time.Now().Add(patience)))
	resp, err := http.ReadResponse(bufio.NewReader(c), req)
	require.NoError(t, err)
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return resp, nil
	}
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp, body
}

func upgrade() http.Header {
	return http.Header{"Connection": {"keep-alive, Upgrade"}, "Upgrade": {link.Protocol}}
}

// codeOf returns the code of a problem that request returned.
func codeOf(t testing.TB, resp *http.Response, body []byte) link.ProblemCode {
	t.Helper()
	require.Equal(t, "application/problem+json", resp.Header.Get("Content-Type"), string(body))
	var p struct {
		Type, Title, Detail, Action string
		Status                      int
	}
	require.NoError(t, json.Unmarshal(body, &p))
	require.Equal(t, resp.StatusCode, p.Status)
	require.NotEmpty(t, p.Title)
	code, ok := strings.CutPrefix(p.Type, "urn:tlagate:problem:")
	require.True(t, ok, p.Type)
	return link.ProblemCode(code)
}

// logBook records what was logged.
type logBook struct {
	mu      sync.Mutex
	records []map[string]any
	t       testing.TB
}

func newLogBook(t testing.TB) *logBook {
	b := &logBook{t: t}
	t.Cleanup(func() {
		if t.Failed() {
			for _, r := range b.find("") {
				t.Log(r)
			}
		}
	})
	return b
}

func (b *logBook) Write(line []byte) (int, error) {
	var r map[string]any
	if err := json.Unmarshal(bytes.TrimSpace(line), &r); err != nil {
		return 0, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.records = append(b.records, r)
	return len(line), nil
}

// find returns the records with this message; "" = all.
func (b *logBook) find(msg string) (found []map[string]any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.records {
		if msg == "" || r["msg"] == msg {
			found = append(found, r)
		}
	}
	return found
}

// logged waits for a record with this message and these attributes (name, value …), and returns it.
func (r *rig) logged(msg string, attrs ...any) (record map[string]any) {
	r.t.Helper()
	r.eventually("logged: "+msg, func() bool {
		for _, have := range r.log.find(msg) {
			match := true
			for i := 0; i < len(attrs); i += 2 {
				match = match && have[attrs[i].(string)] == attrs[i+1]
			}
			if match {
				record = have
				return true
			}
		}
		return false
	})
	return record
}
