package push

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/listen"
	"tlagate/pki/pkitest"
	"tlagate/pki/revocation"
	"tlagate/pki/trust"
)

// patience is for what must happen, on however slow a machine.
const patience = 2 * time.Minute

const (
	gateway = "urn:tlagate:op:gateway:g1"
	server  = "urn:tlagate:op:pki:ca1"
)

// rig is a server that sends what a test tells it to, and a subscriber to it.
type rig struct {
	t     *testing.T
	ca    *pkitest.PKI
	trust *trust.Trust
	s     *Subscriber
	asked atomic.Int32
	since atomic.Value // of the last request
}

// start has a server with this identity answer each request by say, which the connection outlives.
func start(t *testing.T, identity string, say func(http.ResponseWriter)) *rig {
	r := &rig{t: t, ca: pkitest.New(t)}
	files := r.ca.WriteTrust(t.TempDir())
	var err error
	r.trust, err = trust.Open(trust.Config{
		Anchors:    []trust.AnchorFile{{File: files.Anchor, Practices: []string{"*"}}},
		Revocation: revocation.Config{CRLs: files.CRLs()},
	})
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	own := r.ca.Issue(identity, x509.ExtKeyUsageServerAuth, pkitest.DNS("localhost"))
	httpServer := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.since.Store(req.URL.RawQuery)
		r.asked.Add(1)
		say(w)
		_ = http.NewResponseController(w).Flush()
		<-req.Context().Done()
	})}
	proven := listen.New(l, listen.Config{Party: r.party(own)})
	go func() { _ = httpServer.Serve(proven) }()
	t.Cleanup(func() { httpServer.Close(); proven.Close() })
	r.subscribe(l.Addr())
	return r
}

func (r *rig) party(cert tls.Certificate) *trust.Party {
	return &trust.Party{Trust: r.trust, Certificate: func() *tls.Certificate { return &cert }}
}

func (r *rig) subscribe(addr net.Addr) {
	_, port, err := net.SplitHostPort(addr.String())
	require.NoError(r.t, err)
	r.s, err = New(Config{
		URL: "https://localhost:" + port, Party: r.party(r.ca.Issue(gateway, x509.ExtKeyUsageClientAuth)),
		Silence: 300 * time.Millisecond, Retry: time.Millisecond, MaxRetry: 10 * time.Millisecond,
	})
	require.NoError(r.t, err)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = r.s.Run(ctx) }()
	r.t.Cleanup(func() { stop(); <-done })
}

func (r *rig) eventually(what string, ok func() bool) {
	r.t.Helper()
	require.Eventually(r.t, ok, patience, time.Millisecond, what)
}

func (r *rig) why(text string) {
	r.t.Helper()
	r.eventually("lost: "+text, func() bool { return strings.Contains(r.s.State().Why, text) })
	require.False(r.t, r.s.State().Up)
}

func says(text string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) { fmt.Fprint(w, text) }
}

const alive = `{"type":"alive"}` + "\n"

func TestStreamsThatEnd(t *testing.T) {
	for name, c := range map[string]struct{ line, why string }{
		"silence":         {"", "i/o timeout"},
		"not JSON":        {"hello\n", "cannot read an event"},
		"too long a line": {strings.Repeat("x", 2*maxLine), "token too long"},
		"issuer unnamed":  {`{"type":"revoked","id":1,"serial":"01"}` + "\n", "issuer is no key identifier"},
		"serial negative": {`{"type":"revoked","id":1,"issuer":"01","serial":"-1"}` + "\n", "serial is no number"},
		"serial too long": {`{"type":"revoked","id":1,"issuer":"01","serial":"` + strings.Repeat("f", 41) + `"}` +
			"\n", "serial is no number"},
		"serial not there": {`{"type":"released","id":1,"issuer":"01"}` + "\n", "serial is no number"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, server, says(c.line))
			r.why(c.why)
			r.eventually("it tries again", func() bool { return r.asked.Load() > 2 })
		})
	}
}

func TestStreamResumes(t *testing.T) {
	lines := make(chan string, 1)
	lines <- alive + `{"type":"news of a later version","id":41,"x":{}}` + "\n" +
		`{"type":"crl","id":42,"number":"7"}` + "\n"
	r := start(t, server, once(lines))
	r.eventually("it asks for what came after", func() bool {
		return r.asked.Load() > 1 &&
			r.since.Load() == "since=42"
	})
	require.EqualValues(t, 42, r.trust.Heard(r.s.cfg.URL))

	after, err := New(r.s.cfg) // as after a restart: the trust store knows
	require.NoError(t, err)
	stopped, stop := context.WithCancel(t.Context())
	stop()
	require.ErrorIs(t, after.Run(stopped), context.Canceled)
	require.EqualValues(t, 42, after.since)
}

// once says each line on one stream, and nothing on those that follow.
func once(lines chan string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		select {
		case line := <-lines:
			fmt.Fprint(w, line)
		default:
		}
	}
}

// Books that begin anew have lower ids: what is asked for follows them.
func TestStreamOfOtherBooks(t *testing.T) {
	lines := make(chan string, 2)
	lines <- `{"type":"crl","id":42,"number":"7"}` + "\n"
	lines <- `{"type":"crl","id":5,"number":"1"}` + "\n"
	r := start(t, server, once(lines))
	r.eventually("it asks for what came after", func() bool { return r.since.Load() == "since=5" })
}

// A server speaks for its own CAs alone.
func TestC2AServerSpeaksForItsOwnCAs(t *testing.T) {
	var lines atomic.Value
	lines.Store(alive)
	r := start(t, server, func(w http.ResponseWriter) { fmt.Fprint(w, lines.Load()) })
	other := r.ca.Root.Sub("TEST other issuing")
	chain := pkitest.Chain(r.ca.Issue("urn:tlagate:cab1:tla:t1", x509.ExtKeyUsageClientAuth))
	event := func(issuer []byte) string {
		return fmt.Sprintf(`{"type":"revoked","id":5,"issuer":"%x","serial":"%x","reason":"keyCompromise"}`+"\n",
			issuer, chain[0].SerialNumber)
	}
	foreign, own := event(other.Cert.SubjectKeyId), event(r.ca.Issuing.Cert.SubjectKeyId)
	path := func(issuer *x509.Certificate) []*x509.Certificate {
		return []*x509.Certificate{chain[0], issuer, r.ca.Root.Cert}
	}
	lines.Store(foreign + own + alive)
	r.eventually("its own is believed", func() bool { return r.trust.Denies(path(r.ca.Issuing.Cert)) })
	require.False(t, r.trust.Denies(path(other.Cert)))
	_, err := r.trust.Verify(chain, trust.Want{Usage: x509.ExtKeyUsageClientAuth})
	require.Equal(t, pki.Revoked, pki.ReasonOf(err))
}

func TestC2OnlyAPKIIsListenedTo(t *testing.T) {
	r := start(t, "urn:tlagate:op:gateway:g2", says(alive))
	r.why("wrong_role")
	require.Zero(t, r.asked.Load())
}

func TestNewRefuses(t *testing.T) {
	for _, url := range []string{"", "http://pki:1", "https://", "https://pki/path", "https://user:SECRET@pki",
		"https://pki?x=y", "pki:1", "https://pki:0", "https://192.0.2.7:8444", "https://[::1]:8444",
		"https://user@pki", "https://user:SECRET@pki:x"} {
		_, err := New(Config{URL: url})
		require.ErrorContains(t, err, "cannot listen to", url)
		require.NotContains(t, err.Error(), "SECRET")
	}
}

func FuzzEvent(f *testing.F) {
	f.Add("a1b2", "01")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, issuer, serial string) {
		d, err := Event{Issuer: issuer, Serial: serial}.Denied()
		if err == nil && (len(d.IssuerKeyID) == 0 || d.Serial.Sign() <= 0 || d.Serial.BitLen() > 160) {
			t.Fatalf("%q %q passed", issuer, serial)
		}
	})
}
