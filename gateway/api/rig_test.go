package api

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"tlagate/audit"
	"tlagate/gateway"
	"tlagate/internal/acts"
	"tlagate/internal/local"
	"tlagate/internal/logtest"
	"tlagate/pki/pkitest"
	"tlagate/pki/revocation"
	"tlagate/pki/trust"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	patience = 3 * time.Minute // for what must happen, on a machine however slow
	ours     = "urn:tlagate:op:gateway:g1"
	sessions = "00112233445566778899aabbccddeeff"
	tla1     = "urn:tlagate:cab1:tla:t1"
	pdt1     = "urn:tlagate:cab1:pdt:p1"
)

func admin(name string) string { return "urn:tlagate:op:admin:" + name }

// someGateway is a gateway with one session, whose acts are kept.
type someGateway struct {
	*gateway.Gateway

	mu     sync.Mutex // protects the rest
	ended  []gateway.Act
	endErr error
	events chan gateway.Event
	since  []uint64
	parked []gateway.ParkedInfo // nil = one
}

func (g *someGateway) Sessions(gateway.Filter, string, int) ([]gateway.SessionInfo, string) {
	one, _ := g.Session(sessions)
	return []gateway.SessionInfo{one}, "next"
}

func (g *someGateway) Session(id string) (gateway.SessionInfo, bool) {
	return gateway.SessionInfo{ID: sessions, TLA: tla1, PdT: pdt1, Practice: "cab1", Opened: time.Now().UTC()},
		id == sessions
}

func (g *someGateway) Peers(gateway.Filter, string, int) ([]gateway.PeerInfo, string) {
	return []gateway.PeerInfo{{Identity: tla1, Role: "tla", Practice: "cab1"}}, ""
}

func (g *someGateway) Parked() []gateway.ParkedInfo {
	if g.parked != nil {
		return g.parked
	}
	return []gateway.ParkedInfo{{PdT: pdt1}}
}

func (g *someGateway) Refusals(gateway.Filter, int) []gateway.RefusalInfo {
	return []gateway.RefusalInfo{{What: "handshake", Reason: "revoked"}}
}

func (g *someGateway) End(id string, a gateway.Act) error {
	if id != sessions {
		return gateway.ErrNoSession
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ended = append(g.ended, a)
	return g.endErr
}

func (g *someGateway) Events(since uint64) (<-chan gateway.Event, func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.since = append(g.since, since)
	return g.events, func() {}
}

func (g *someGateway) acts() []gateway.Act {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.ended
}

// rig is an API that is served, and what its callers need.
type rig struct {
	t      *testing.T
	ca     *pkitest.PKI
	files  pkitest.Files
	trust  *trust.Trust
	g      *someGateway
	server *Server
	log    *logtest.Buffer
	trace  string
	socket string
	addr   string
	issued map[string]tls.Certificate
}

func start(t *testing.T, admins ...Admin) *rig { return startWith(t, func(*Server) {}, admins...) }

// startWith is start with another server than New returns.
func startWith(t *testing.T, change func(*Server), admins ...Admin) *rig {
	r := &rig{t: t, ca: pkitest.New(t), log: &logtest.Buffer{}, issued: map[string]tls.Certificate{}}
	dir := t.TempDir()
	r.files = r.ca.WriteTrust(dir)
	var err error
	anchor := trust.AnchorFile{File: r.files.Anchor, Practices: []string{"*"}}
	r.trust, err = trust.Open(trust.Config{Anchors: []trust.AnchorFile{anchor},
		Intermediates: []string{r.files.Intermediate}, Poll: 20 * time.Millisecond,
		Revocation: revocation.Config{CRLs: r.files.CRLs()}})
	require.NoError(t, err)
	r.trace, r.socket = filepath.Join(dir, "audit.jsonl"), filepath.Join(dir, "api.sock")
	log, err := audit.Open(audit.Config{File: r.trace, By: "tla-gateway"})
	require.NoError(t, err)
	party := r.party(ours, x509.ExtKeyUsageServerAuth)
	book := slog.New(slog.NewTextHandler(r.log, nil))
	r.g = &someGateway{Gateway: gateway.New(gateway.Config{Party: party, Trace: log}),
		events: make(chan gateway.Event)}
	r.server = New(Config{Gateway: r.g, Party: party, Admins: admins, Log: book, Version: "v1", Trace: log,
		File: r.trace, Incident: func(_ context.Context, n, _ string, _ time.Time) (any, error) {
			if n != "K7M2" {
				return nil, nil
			}
			return map[string]any{"incident": n, "at": time.Now(), "lines": []any{}}, nil
		}})
	change(r.server)
	r.serve(log)
	return r
}

func (r *rig) serve(log *audit.Log) {
	plain, err := local.Listen(r.socket, -1)
	require.NoError(r.t, err)
	mutual, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(r.t, err)
	r.addr = mutual.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { r.server.Serve(ctx, []net.Listener{plain}, []net.Listener{mutual}) })
	running.Go(func() { _ = r.trust.Run(ctx) })
	r.t.Cleanup(func() {
		stop()
		running.Wait()
		require.NoError(r.t, log.Close())
	})
}

func (r *rig) party(identity string, usage x509.ExtKeyUsage) *trust.Party {
	cert := r.ca.Issue(identity, usage, pkitest.DNS("localhost"))
	r.issued[identity] = cert
	return &trust.Party{Trust: r.trust, Certificate: func() *tls.Certificate { return &cert }, Timeout: time.Hour}
}

// asker sends requests as somebody.
type asker struct {
	*http.Client
	t    *testing.T
	base string
}

// local asks over the socket.
func (r *rig) local() *asker {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", r.socket)
	}
	return r.asker("http://gateway", &http.Transport{DialContext: dial})
}

// as asks with a certificate.
func (r *rig) as(identity string) *asker {
	party := r.party(identity, x509.ExtKeyUsageClientAuth)
	return r.asker("https://gateway", &http.Transport{DialTLSContext: func(ctx context.Context, _, _ string) (net.Conn,
		error) {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", r.addr)
		if err != nil {
			return nil, err
		}
		over, _, err := party.Client(ctx, c, trust.ALPNOuter, trust.Want{Usage: x509.ExtKeyUsageServerAuth,
			DNSName: "localhost"})
		return over, err
	}})
}

func (r *rig) asker(base string, via *http.Transport) *asker {
	r.t.Cleanup(via.CloseIdleConnections)
	return &asker{&http.Client{Transport: via}, r.t, base}
}

// request makes a request with headers, "Name: value"; one of an act has the Content-Type that it takes.
func (a *asker) request(method, path, body string, headers ...string) *http.Request {
	r, err := http.NewRequest(method, a.base+Prefix+path, strings.NewReader(body))
	require.NoError(a.t, err)
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if r.Header.Set(name, value); value == "" {
			r.Header.Del(name)
		}
	}
	return r
}

// ask sends a request, and returns the status and the body.
func (a *asker) ask(method, path, body string, headers ...string) (int, string) {
	a.t.Helper()
	res, err := a.Do(a.request(method, path, body, headers...))
	require.NoError(a.t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(a.t, err)
	return res.StatusCode, string(text)
}

// code returns the code of the problem that a request is answered; "" = none.
func (a *asker) code(method, path, body string, headers ...string) Code {
	a.t.Helper()
	status, text := a.ask(method, path, body, headers...)
	if status == http.StatusOK {
		return ""
	}
	var p ProblemAnswer
	require.NoError(a.t, json.Unmarshal([]byte(text), &p), text)
	require.Equal(a.t, status, p.Status)
	code := Code(strings.TrimPrefix(p.Type, acts.Prefix))
	require.Equal(a.t, status, acts.Statuses[code], text)
	return code
}

// lines returns the trace's lines about acts.
func (r *rig) lines() (found []audit.Entry) {
	for line, err := range audit.Read(r.trace) {
		require.NoError(r.t, err)
		if line.Entry.Event == audit.OperatorAct {
			found = append(found, line.Entry)
		}
	}
	return found
}

func (r *rig) eventually(what string, f func() bool) {
	r.t.Helper()
	require.Eventually(r.t, f, patience, time.Millisecond, what)
}

func parsed(t *testing.T, name string, roles ...string) Admin {
	a, err := ParseAdmin(admin(name), roles)
	require.NoError(t, err)
	return a
}

const because = `{"reason":"case 12"}`

func root() bool { return os.Getuid() == 0 }
