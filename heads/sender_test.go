package heads

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
	"tlagate/internal/logtest"
	"tlagate/pki/listen"
	"tlagate/pki/pkitest"
	"tlagate/pki/revocation"
	"tlagate/pki/trust"
)

// patience is for what must happen, on however slow a machine.
const patience = 3 * time.Minute

const server = "urn:tlagate:op:pki:ca1"

// rig is a server that keeps heads as a test tells it to, a trace, and what sends the heads of that trace.
type rig struct {
	t     *testing.T
	ca    *pkitest.PKI
	own   tls.Certificate // of the gateway
	trace *audit.Log
	log   logtest.Buffer
	url   string
	trust *trust.Trust

	mu     sync.Mutex // protects the rest
	answer func(http.ResponseWriter, *http.Request)
	got    []Statement
}

func newRig(t *testing.T, identity string) *rig {
	r := &rig{t: t, ca: pkitest.New(t)}
	files := r.ca.WriteTrust(t.TempDir())
	var err error
	r.trust, err = trust.Open(trust.Config{
		Anchors:    []trust.AnchorFile{{File: files.Anchor, Practices: []string{"*"}}},
		Revocation: revocation.Config{CRLs: files.CRLs()},
	})
	require.NoError(t, err)
	r.own = r.ca.Issue(gateway, x509.ExtKeyUsageClientAuth)
	r.trace, err = audit.Open(audit.Config{File: filepath.Join(t.TempDir(), "audit.jsonl")})
	require.NoError(t, err)
	r.serve(identity)
	return r
}

func (r *rig) serve(identity string) {
	raw, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(r.t, err)
	proven := listen.New(raw, listen.Config{Party: r.party(r.ca.Issue(identity, x509.ExtKeyUsageServerAuth,
		pkitest.DNS("localhost")))})
	on := &http.Server{Handler: http.HandlerFunc(r.take)}
	go func() { _ = on.Serve(proven) }()
	r.t.Cleanup(func() { on.Close(); proven.Close() })
	r.url = fmt.Sprintf("https://localhost:%d", raw.Addr().(*net.TCPAddr).Port)
}

// take notes a head that is signed well, and answers as the test says; 200 unless it says something.
func (r *rig) take(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	if req.Method == http.MethodPost {
		said, err := Open(string(body), r.own.Leaf)
		if err != nil || req.URL.Path != Path {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		r.got = append(r.got, said)
	}
	if r.answer != nil {
		r.answer(w, req)
	}
}

// answers sets the answer from now on.
func (r *rig) answers(f func(http.ResponseWriter, *http.Request)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = f
}

func (r *rig) taken() []Statement {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Statement{}, r.got...)
}

func (r *rig) party(cert tls.Certificate) *trust.Party {
	return &trust.Party{Trust: r.trust, Certificate: func() *tls.Certificate { return &cert }}
}

func (r *rig) server() Server { return Server{URL: r.url, Party: r.party(r.own)} }

// send runs a sender until the test ends.
func (r *rig) send(change func(*Config)) *Sender {
	cfg := Config{Server: r.server(), Head: r.trace.Head, Record: r.trace.Later, Retry: time.Millisecond,
		MaxRetry: 10 * time.Millisecond, Log: slog.New(slog.NewTextHandler(&r.log, nil))}
	change(&cfg)
	s, err := New(cfg)
	require.NoError(r.t, err)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	r.t.Cleanup(func() { stop(); <-done })
	return s
}

func (r *rig) eventually(what string, ok func() bool) {
	r.t.Helper()
	require.Eventually(r.t, ok, patience, time.Millisecond, what)
}

// events returns the kinds of the trace.
func (r *rig) events() (kinds []audit.Kind) {
	for line, err := range audit.Read(r.trace.File()) {
		require.NoError(r.t, err)
		kinds = append(kinds, line.Entry.Event)
	}
	return kinds
}

func (r *rig) record() {
	require.NoError(r.t, r.trace.Record(audit.SessionUp))
}

func TestSA2HeadsAreSent(t *testing.T) {
	r := newRig(t, server)
	s := r.send(func(*Config) {})
	s.Wake()
	require.Empty(t, r.taken(), "an empty trace has no head")
	require.Zero(t, s.State().Accepted)

	r.record()
	r.eventually("a head", func() bool { s.Wake(); return len(r.taken()) > 0 })
	number, hash, _, err := r.trace.Head()
	require.NoError(t, err)
	require.EqualValues(t, 1, number)
	require.Equal(t, []any{gateway, number, hash}, []any{r.taken()[0].Gateway, r.taken()[0].Number, r.taken()[0].Hash})
	r.eventually("it is known", func() bool { return !s.State().Accepted.IsZero() })

	r.record()
	r.eventually("the next one", func() bool {
		s.Wake()
		all := r.taken()
		return all[len(all)-1].Number == 2
	})
	require.Equal(t, []audit.Kind{audit.SessionUp, audit.SessionUp}, r.events())
}

func TestSA2HeadsAreSentEveryHour(t *testing.T) {
	r := newRig(t, server)
	r.record()
	r.send(func(c *Config) { c.Every = time.Millisecond })
	r.eventually("the same head again", func() bool { return len(r.taken()) > 2 })
	for _, head := range r.taken() {
		require.EqualValues(t, 1, head.Number)
	}
}

// TestG7ARefusedHeadIsAnAlert, once, until one is taken.
func TestG7ARefusedHeadIsAnAlert(t *testing.T) {
	r := newRig(t, server)
	r.record()
	r.answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusConflict) })
	s := r.send(func(c *Config) { c.Every = time.Millisecond })
	r.eventually("refused, and tried again", func() bool { return s.State().Refused && len(r.taken()) > 3 })
	require.Equal(t, []audit.Kind{audit.SessionUp, audit.HeadRefused}, r.events())
	require.Equal(t, 1, strings.Count(r.log.String(), "the PKI refuses the head"))
	require.Contains(t, r.log.String(), "level=ERROR")

	r.answers(nil)
	r.eventually("taken", func() bool { return !s.State().Refused && !s.State().Accepted.IsZero() })
	r.eventually("that is said", func() bool { return strings.Contains(r.log.String(), "are kept again") })
}

// TestG7ALateHeadIsAnAlert, once, until one is taken.
func TestG7ALateHeadIsAnAlert(t *testing.T) {
	r := newRig(t, server)
	r.record()
	r.answers(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, `{"type":"urn:tlagate:problem:not_available"}`)
	})
	r.send(func(c *Config) { c.Late = time.Millisecond })
	late := func() (n int) {
		for _, kind := range r.events() {
			if kind == audit.HeadLate {
				n++
			}
		}
		return n
	}
	r.eventually("late", func() bool { return late() == 1 })
	before := len(r.taken())
	r.eventually("tried again", func() bool { return len(r.taken()) > before+2 })
	require.Equal(t, 1, late())
	require.Equal(t, 1, strings.Count(r.log.String(), "did not reach the PKI"), "each cause once")
	require.Contains(t, r.log.String(), "503 (not_available)")
}

// TestSA2OnlyAPKIIsGivenHeads: a server of another role is sent nothing.
func TestSA2OnlyAPKIIsGivenHeads(t *testing.T) {
	r := newRig(t, "urn:tlagate:op:gateway:g2")
	r.record()
	r.send(func(*Config) {})
	r.eventually("refused", func() bool { return strings.Contains(r.log.String(), "reason=wrong_role") })
	require.Empty(t, r.taken())
}

// TestSA2AServerThatSaysTooMuchIsNotRead, and what it says is not repeated.
func TestSA2AServerThatSaysTooMuchIsNotRead(t *testing.T) {
	r := newRig(t, server)
	r.answers(func(w http.ResponseWriter, _ *http.Request) {
		for range 1 << 10 {
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				return
			}
		}
	})
	_, err := r.server().Fetch(t.Context(), nil)
	require.Error(t, err)
	r.answers(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"type":"urn:tlagate:problem:x\n SECRET"}`)
	})
	_, err = r.server().Fetch(t.Context(), nil)
	require.ErrorContains(t, err, "answered 403 (no reason given)")
}

// TestSA2AllPagesAreFetched, as many as there are.
func TestSA2AllPagesAreFetched(t *testing.T) {
	r := newRig(t, server)
	const all = Page + 3
	lines := make([]string, all)
	for i := range lines {
		lines[i] = line(t, r.own, uint64(i+1), said.Hash)
	}
	r.answers(func(w http.ResponseWriter, req *http.Request) {
		var from int
		fmt.Sscan(req.URL.Query().Get("from"), &from)
		from = max(from-1, 0)
		fmt.Fprint(w, strings.Join(lines[from:min(from+Page, all)], ""))
	})
	known, err := r.server().Fetch(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, all, known.Len())
}

func TestNewRefuses(t *testing.T) {
	_, err := New(Config{Server: Server{URL: "http://pki:1"}})
	require.Error(t, err)
}

// TestSA2AnUnreadableTraceSendsNoHead, and that is said.
func TestSA2AnUnreadableTraceSendsNoHead(t *testing.T) {
	r := newRig(t, server)
	r.send(func(c *Config) {
		c.Head = func() (uint64, string, time.Time, error) { return 0, "", time.Time{}, errors.New("no disk") }
	})
	r.eventually("said", func() bool { return strings.Contains(r.log.String(), "no disk") })
	require.Empty(t, r.taken())
}
