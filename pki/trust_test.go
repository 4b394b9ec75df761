package pki_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"tlagate/pki"
	"tlagate/pki/pkitest"
)

// clock can be set from the test while others read it.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time           { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) forward(by time.Duration) { c.ahead.Add(int64(by)) }

// logBuffer collects a log that several goroutines write.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (w *world) logTo() *logBuffer {
	l := &logBuffer{}
	w.cfg.Log = slog.New(slog.NewTextHandler(l, nil))
	return l
}

func verify(trust *pki.Trust, peer tls.Certificate) error {
	_, err := trust.Verify(pkitest.Chain(peer), pki.Want{Usage: peer.Leaf.ExtKeyUsage[0]})
	return err
}

// running starts Run and ends it with the test.
func running(t *testing.T, trust *pki.Trust) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- trust.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
		goleak.VerifyNone(t, goleak.IgnoreCurrent())
	})
}

// await waits until a condition holds, looking again at each change of revocation data.
func await(t *testing.T, trust *pki.Trust, holds func() bool) {
	t.Helper()
	deadline := time.After(patience)
	for {
		changed := trust.Changed()
		if holds() {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			require.FailNow(t, "the condition never held")
		}
	}
}

func TestC2BadNewCRLLeavesTheOld(t *testing.T) {
	for _, tc := range []struct {
		name   string
		reason pki.Reason
		spoil  func(w *world)
	}{
		{"unreadable", pki.CRLBad, func(w *world) { require.NoError(w.t, os.WriteFile(w.files.CRL, []byte{1, 2, 3}, 0o644)) }},
		{"removed", pki.CRLMissing, func(w *world) { require.NoError(w.t, os.Remove(w.files.CRL)) }},
		{"bad signature", pki.CRLBadSignature, func(w *world) { crl(pkitest.CRLBadSignature())(w, tls.Certificate{}) }},
		{"by another CA", pki.CRLWrongIssuer, func(w *world) { crl(pkitest.CRLSignedBy(w.Root))(w, tls.Certificate{}) }},
		{"number gone back", pki.CRLNumberBack, func(w *world) { crl(pkitest.CRLNumber(0))(w, tls.Certificate{}) }},
		{"delta", pki.CRLBad, func(w *world) { crl(pkitest.CRLDelta(1))(w, tls.Certificate{}) }},
		{"of another CA", pki.CRLWrongIssuer, func(w *world) { pkitest.WriteCRL(w.t, w.files.CRL, pkitest.NewNamed(w.t, "TEST x").Root.CRL()) }},
	} {
		for _, known := range []string{"configured", "learnt"} {
			t.Run("C2 "+tc.name+", CA "+known, func(t *testing.T) {
				w := newWorld(t)
				if known == "configured" {
					w.cfg.Intermediates = []string{w.files.Intermediate}
				}
				log := w.logTo()
				trust := w.open()
				peer := w.Issue(tla1, asClient)
				require.NoError(t, verify(trust, peer))
				tc.spoil(w)
				trust.Reload()
				require.NoError(t, verify(trust, peer))
				require.Contains(t, log.String(), "reason="+string(tc.reason))

				w.Issuing.Revoke(peer.Leaf)
				w.WriteCRLs(w.files)
				trust.Reload()
				require.Equal(t, pki.Revoked, pki.ReasonOf(verify(trust, peer)))
			})
		}
	}
}

// A good newer list takes the old one's place even when it is stale or from the future: it is the CA's last word.
func TestC2NewerCRLTakesThePlaceWhateverItsDates(t *testing.T) {
	for reason, opt := range map[pki.Reason]pkitest.CRLOption{pki.CRLStale: pkitest.CRLStale(), pki.CRLFuture: pkitest.CRLFuture()} {
		t.Run("C2 "+string(reason), func(t *testing.T) {
			w := newWorld(t)
			trust := w.open()
			peer := w.Issue(tla1, asClient)
			require.NoError(t, verify(trust, peer))
			crl(opt)(w, peer)
			trust.Reload()
			require.Equal(t, reason, pki.ReasonOf(verify(trust, peer)))
		})
	}
}

// A CRL from the future must not use up its number: when the CA has put it right, the next one counts.
func TestC2FutureCRLLeavesTheNumberAlone(t *testing.T) {
	w := newWorld(t)
	crl(pkitest.CRLFuture(), pkitest.CRLNumber(99))(w, tls.Certificate{})
	w.cfg.State = filepath.Join(t.TempDir(), "numbers.json")
	peer := w.Issue(tla1, asClient)
	require.Equal(t, pki.CRLFuture, pki.ReasonOf(verify(w.open(), peer)))
	crl(pkitest.CRLNumber(3))(w, tls.Certificate{})
	require.NoError(t, verify(w.open(), peer))
}

func TestC2ClockSkewOfACRL(t *testing.T) {
	w := newWorld(t)
	crl(pkitest.CRLValid(4*time.Minute, time.Hour))(w, tls.Certificate{})
	require.NoError(t, verify(w.open(), w.Issue(tla1, asClient)))
}

func TestC2BestOfSeveralCRLs(t *testing.T) {
	w := newWorld(t)
	peer := w.Issue(tla1, asClient)
	old, stale, bad := w.Issuing.CRL(), w.Issuing.CRL(pkitest.CRLStale()), w.Issuing.CRL(pkitest.CRLBadSignature())
	w.Issuing.Revoke(peer.Leaf)
	newest := w.Issuing.CRL()
	other := filepath.Join(t.TempDir(), "more.crl")
	w.cfg.CRLs = append(w.cfg.CRLs, other)

	pkitest.WriteCRL(t, w.files.CRL, old)
	pkitest.WriteCRL(t, other, bad)
	require.NoError(t, verify(w.open(), peer))
	pkitest.WriteCRL(t, other, bad, stale, newest, old)
	require.Equal(t, pki.Revoked, pki.ReasonOf(verify(w.open(), peer)))
}

func TestC2DistributionPointsThatMatch(t *testing.T) {
	w := newWorld(t)
	crl(pkitest.CRLWithIDP(pkitest.IDP{URL: "http://a.example/crl", OnlyUser: true}))(w, tls.Certificate{})
	arl(pkitest.CRLWithIDP(pkitest.IDP{OnlyCA: true}))(w, tls.Certificate{})
	require.NoError(t, verify(w.open(), w.Issue(tla1, asClient, pkitest.CRLDP("http://a.example/crl"))))
}

func TestCRLAsDER(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, os.WriteFile(w.files.CRL, w.Issuing.CRL(), 0o644))
	require.NoError(t, verify(w.open(), w.Issue(tla1, asClient)))
}

func TestC2RunNoticesAChangedFile(t *testing.T) {
	w := newWorld(t)
	w.cfg.Poll = time.Millisecond
	trust := w.open()
	running(t, trust)
	peer := w.Issue(tla1, asClient)
	require.NoError(t, verify(trust, peer))
	w.Issuing.Revoke(peer.Leaf)
	w.WriteCRLs(w.files)
	await(t, trust, func() bool { return pki.ReasonOf(verify(trust, peer)) == pki.Revoked })
}

// Recheck is what cuts live sessions: it must tell everything that time and new lists bring.
func TestC2Recheck(t *testing.T) {
	open := func(t *testing.T) (*world, *clock, *pki.Trust, *pki.Peer, tls.Certificate) {
		w, c := newWorld(t), &clock{}
		w.cfg.Clock, w.cfg.Poll = c.now, time.Millisecond
		trust := w.open()
		cert := w.Issue(tla1, asClient)
		got, _ := serve(t, w.party(trust, pdt1, asServer), pki.Want{Usage: asClient}, stranger(cert))
		require.NoError(t, got.err)
		require.NoError(t, trust.Recheck(got.peer))
		return w, c, trust, got.peer, cert
	}
	t.Run("C2 revoked", func(t *testing.T) {
		w, _, trust, peer, cert := open(t)
		changed := trust.Changed()
		w.Issuing.Revoke(cert.Leaf)
		w.WriteCRLs(w.files)
		trust.Reload()
		<-changed
		require.Equal(t, pki.Revoked, pki.ReasonOf(trust.Recheck(peer)))
	})
	t.Run("C2 CRL gone stale by time alone", func(t *testing.T) {
		_, c, trust, peer, _ := open(t)
		running(t, trust)
		changed := trust.Changed()
		c.forward(27 * time.Hour)
		select {
		case <-changed:
		case <-time.After(patience):
			require.Fail(t, "nobody was told")
		}
		require.Equal(t, pki.CRLStale, pki.ReasonOf(trust.Recheck(peer)))
	})
	t.Run("C2 expired", func(t *testing.T) {
		_, c, trust, peer, _ := open(t)
		c.forward(time.Until(peer.NotAfter) + time.Second)
		require.Equal(t, pki.Expired, pki.ReasonOf(trust.Recheck(peer)))
	})
}

func TestReloadWithoutNewsChangesNothing(t *testing.T) {
	w := newWorld(t)
	trust := w.open()
	changed := trust.Changed()
	trust.Reload()
	select {
	case <-changed:
		require.Fail(t, "a change was announced")
	default:
	}
}

func TestC2StateFile(t *testing.T) {
	w := newWorld(t)
	w.cfg.State = filepath.Join(t.TempDir(), "numbers.json")
	w.cfg.Intermediates = []string{w.files.Intermediate}
	trust := w.open()
	var seen map[string]struct {
		Issuer string
		Number int64
	}
	read := func() {
		data, err := os.ReadFile(w.cfg.State)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(data, &seen))
	}
	read()
	require.Len(t, seen, 2, "root and issuing CA are known, so both numbers are kept when read")
	w.WriteCRLs(w.files)
	trust.Reload()
	read()
	for _, s := range seen {
		require.EqualValues(t, 2, s.Number)
	}
	left, err := os.ReadDir(filepath.Dir(w.cfg.State))
	require.NoError(t, err)
	require.Len(t, left, 1, "no temporary file stays")

	for name, content := range map[string]string{"cut off": `{"a":`, "empty": "", "null": "null", "negative": `{"a":{"number":-1}}`, "without number": `{"a":{}}`} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, os.WriteFile(w.cfg.State, []byte(content), 0o600))
			_, err := pki.OpenTrust(w.cfg)
			require.ErrorContains(t, err, w.cfg.State)
		})
	}
}

// The number of a list that is not signed by its CA must not lock out the real ones.
func TestC2ForgedNumberIsNotKept(t *testing.T) {
	w := newWorld(t)
	w.cfg.State = filepath.Join(t.TempDir(), "numbers.json")
	peer := w.Issue(tla1, asClient)
	crl(pkitest.CRLNumber(1<<40), pkitest.CRLBadSignature())(w, peer)
	require.Equal(t, pki.CRLBadSignature, pki.ReasonOf(verify(w.open(), peer)))
	w.WriteCRLs(w.files)
	require.NoError(t, verify(w.open(), peer))
}

// crlServer serves one CRL with an ETag, and counts.
type crlServer struct {
	mu         sync.Mutex
	body       []byte
	etag       string
	status     int
	full, same int
}

func (s *crlServer) set(body []byte, etag string, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.body, s.etag, s.status = body, etag, status
}

func (s *crlServer) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.status != 0 {
		rw.WriteHeader(s.status)
		return
	}
	rw.Header().Set("ETag", s.etag)
	if r.Header.Get("If-None-Match") == s.etag {
		s.same++
		rw.WriteHeader(http.StatusNotModified)
		return
	}
	s.full++
	rw.Write(s.body)
}

func TestC2CRLByURL(t *testing.T) {
	w := newWorld(t)
	srv := &crlServer{}
	srv.set(w.Issuing.CRL(), `"1"`, 0)
	web := httptest.NewServer(srv)
	defer web.Close()
	w.cfg.CRLs = []string{w.files.ARL, web.URL + "/issuing.crl"}
	w.cfg.HTTP = web.Client()
	w.cfg.Poll, w.cfg.Fetch = time.Millisecond, 5*time.Millisecond
	trust := w.open()
	peer := w.Issue(tla1, asClient)
	require.NoError(t, verify(trust, peer))

	trust.Reload()
	require.Equal(t, 1, srv.full)
	require.Equal(t, 1, srv.same)

	srv.set(nil, "", http.StatusInternalServerError)
	trust.Reload()
	require.NoError(t, verify(trust, peer), "a server in trouble leaves the CRL at hand")

	running(t, trust)
	w.Issuing.Revoke(peer.Leaf)
	srv.set(w.Issuing.CRL(), `"2"`, 0)
	await(t, trust, func() bool { return pki.ReasonOf(verify(trust, peer)) == pki.Revoked })
}

func TestC2CRLByURLRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		max    int64
		reason pki.Reason
	}{
		"not found":   {http.StatusNotFound, 0, pki.CRLMissing},
		"too large":   {0, 50, pki.CRLBad},
		"a web page":  {0, 0, pki.CRLBad},
		"304 unasked": {http.StatusNotModified, 0, pki.CRLMissing},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			srv := &crlServer{}
			srv.set(bytes.Repeat([]byte("<html>"), 20), `"1"`, tc.status)
			web := httptest.NewServer(srv)
			defer web.Close()
			w.cfg.CRLs, w.cfg.MaxCRL = []string{w.files.ARL, web.URL}, tc.max
			if tc.max != 0 {
				w.cfg.CRLs = []string{web.URL}
			}
			require.Equal(t, tc.reason, pki.ReasonOf(verify(w.open(), w.Issue(tla1, asClient))))
		})
	}
}

func TestURLIsAskedBeforeItsCRLEnds(t *testing.T) {
	w := newWorld(t)
	held, err := pki.ParseCRLs(w.Issuing.CRL(pkitest.CRLValid(0, 10*time.Hour)))
	require.NoError(t, err)
	now := time.Now()
	for _, tc := range []struct {
		name     string
		at       time.Time
		failures int
		min, max time.Duration
	}{
		{"fresh", now, 0, 45 * time.Minute, time.Hour},
		{"near its end", now.Add(8*time.Hour + 40*time.Minute), 0, 15*time.Minute - time.Second, 20 * time.Minute},
		{"ended", now.Add(11 * time.Hour), 0, 3 * time.Second, 5 * time.Second},
		{"first failure", now, 1, 750 * time.Millisecond, time.Second},
		{"many failures", now, 40, 45 * time.Minute, time.Hour},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for range 100 {
				next := pki.NextFetch(time.Hour, tc.at, held, tc.failures)
				require.GreaterOrEqual(t, next, tc.min)
				require.LessOrEqual(t, next, tc.max)
			}
		})
	}
}

func TestOpenTrustErrors(t *testing.T) {
	for name, spoil := range map[string]func(w *world){
		"no anchor":         func(w *world) { w.cfg.Anchors = nil },
		"anchor missing":    func(w *world) { w.cfg.Anchors[0].File += "x" },
		"anchor unreadable": func(w *world) { w.cfg.Anchors[0].File = w.files.CRL },
		"anchor is no CA":   func(w *world) { pkitest.WriteCertificates(w.t, w.files.Anchor, w.Issue(tla1, asClient).Leaf) },
		"intermediate":      func(w *world) { w.cfg.Intermediates = []string{"nowhere.pem"} },
		"test CA":           func(w *world) { w.cfg.Production = true },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			spoil(w)
			_, err := pki.OpenTrust(w.cfg)
			require.Error(t, err)
		})
	}
}

func TestConfiguredIntermediateCompletesTheChain(t *testing.T) {
	w := newWorld(t)
	w.cfg.Intermediates = []string{w.files.Intermediate}
	trust := w.open()
	require.NoError(t, verify(trust, leafOnly(w, asClient)))
	require.NoError(t, verify(trust, w.Issue(tla1, asClient)))
	require.Equal(t, w.Root.Cert.Raw, trust.Anchors()[0].Cert.Raw)
}

// Many CAs of one name must not make verification explode, nor hide the good path.
func TestC2ManyCandidateIssuers(t *testing.T) {
	w := newWorld(t)
	cert := w.Issue(tla1, asClient, pkitest.Valid(-time.Hour, time.Hour))
	for range 8 {
		fake := pkitest.New(t).Issuing.Cert
		cert.Certificate = append(cert.Certificate, fake.Raw)
	}
	require.NoError(t, verify(w.open(), cert))
}

func TestVerdictShowsEveryCheck(t *testing.T) {
	w := newWorld(t)
	v, err := w.open().Verify(pkitest.Chain(w.Issue(tla1, asClient)), pki.Want{Usage: asClient})
	require.NoError(t, err)
	var names []string
	for _, c := range v.Checks {
		names = append(names, c.Name)
		require.NoError(t, c.Err)
		require.NotEmpty(t, c.Detail, c.Name)
	}
	require.Equal(t, []string{"path", "format", "algorithms", "signatures", "dates", "test CA", "basic constraints", "key usage",
		"extended key usage", "extensions", "policy", "identity", "name space", "role", "peer", "practice", "DNS name", "X.509", "revocation"}, names)
	require.Len(t, v.Path, 3)
	require.Equal(t, w.files.CRL, v.Revocation[0].Source)
	require.Equal(t, w.files.ARL, v.Revocation[1].Source)
}

// smartcardLogon beside clientAuth is tolerated in a person's certificate, nowhere else.
func TestC2SmartcardLogon(t *testing.T) {
	w := newWorld(t)
	trust := w.open()
	logon := pkitest.Template(func(c *x509.Certificate) {
		c.UnknownExtKeyUsage = []asn1.ObjectIdentifier{{1, 3, 6, 1, 4, 1, 311, 20, 2, 2}}
	})
	other := pkitest.Template(func(c *x509.Certificate) {
		c.UnknownExtKeyUsage = append(c.UnknownExtKeyUsage, asn1.ObjectIdentifier{2, 999, 5})
	})
	admin := "urn:tlagate:cab1:admin:eve"
	require.NoError(t, verify(trust, w.Issue(admin, asClient, logon)))
	for name, peer := range map[string]tls.Certificate{
		"a component": w.Issue(tla1, asClient, logon), "a server": w.Issue(admin, asServer, logon), "another usage too": w.Issue(admin, asClient, logon, other),
	} {
		require.Equal(t, pki.ExtKeyUsage, pki.ReasonOf(verify(trust, peer)), name)
	}
}

func TestURLRedirects(t *testing.T) {
	w := newWorld(t)
	srv := &crlServer{}
	srv.set(w.Issuing.CRL(), `"1"`, 0)
	mux := http.NewServeMux()
	mux.Handle("/crl", srv)
	mux.Handle("/moved", http.RedirectHandler("/crl", http.StatusFound))
	mux.Handle("/circle", http.RedirectHandler("/circle", http.StatusFound))
	web := httptest.NewServer(mux)
	defer web.Close()
	peer := w.Issue(tla1, asClient)
	w.cfg.CRLs = []string{w.files.ARL, web.URL + "/moved"}
	require.NoError(t, verify(w.open(), peer))
	w.cfg.CRLs[1] = web.URL + "/circle"
	require.Equal(t, pki.CRLMissing, pki.ReasonOf(verify(w.open(), peer)))
}
