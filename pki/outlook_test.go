package pki_test

import (
	"crypto/x509"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/pkitest"
)

// in says how far ahead a moment is, to the minute.
func in(at time.Time) time.Duration { return time.Until(at).Round(time.Minute) }

// judged has the trust store judge a new peer's certificate.
func (w *world) judged(t *testing.T, trust *pki.Trust) []*x509.Certificate {
	t.Helper()
	chain := pkitest.Chain(w.Issue(tla1, asClient))
	_, err := trust.Verify(chain, pki.Want{Usage: asClient})
	require.NoError(t, err)
	return chain
}

// TestC2Outlook: refusals begin when the first certificate in use is covered by nothing.
func TestC2Outlook(t *testing.T) {
	const crl, arl, answer = 3 * time.Hour, 5 * time.Hour, time.Hour
	type row struct {
		name   string
		set    func(w *world, r *pkitest.OCSPServer)
		end    time.Duration // 0 = nothing is at hand
		lists  int
		answer time.Duration // 0 = none in use
	}
	for _, c := range []row{
		{"C2 CRLs alone", func(w *world, _ *pkitest.OCSPServer) {}, crl, 2, 0},
		{"C2 an ARL that ends first", func(w *world, _ *pkitest.OCSPServer) {
			pkitest.WriteCRL(w.t, w.files.ARL, w.Root.CRL(pkitest.CRLValid(-time.Hour, 2*time.Hour)))
		}, 2 * time.Hour, 2, 0},
		{"C2 answers that end before the CRL", func(w *world, r *pkitest.OCSPServer) { w.cfg.OCSP.Responders = []string{r.URL} }, crl, 2, answer},
		{"C2 answers that outlast the CRL", func(w *world, r *pkitest.OCSPServer) {
			r.Answer(pkitest.OCSPValid(-time.Minute, 4*time.Hour))
			w.cfg.OCSP.Responders = []string{r.URL}
		}, 4 * time.Hour, 2, 4 * time.Hour},
		{"C2 answers alone", func(w *world, r *pkitest.OCSPServer) {
			w.withoutCRL()
			w.cfg.OCSP.Responders = []string{r.URL}
		}, answer, 1, answer},
		{"C2 a responder that is silent", func(w *world, r *pkitest.OCSPServer) {
			r.Fail(503)
			w.cfg.OCSP.Responders = []string{r.URL}
		}, crl, 2, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			pkitest.WriteCRL(t, w.files.CRL, w.Issuing.CRL(pkitest.CRLValid(-time.Hour, crl)))
			pkitest.WriteCRL(t, w.files.ARL, w.Root.CRL(pkitest.CRLValid(-time.Hour, arl)))
			responder := w.Issuing.ServeOCSP(t)
			responder.Answer(pkitest.OCSPValid(-time.Minute, answer))
			c.set(w, responder)
			trust := w.open()
			w.judged(t, trust)
			o := trust.Outlook()
			require.Equal(t, c.end, in(o.End))
			require.Len(t, o.Lists, c.lists)
			require.Equal(t, c.answer > 0, o.InUse == 1, "answers in use: %d", o.InUse)
			if c.answer > 0 {
				require.Equal(t, c.answer, in(o.Answers.Until))
			}
		})
	}
	t.Run("C2 nothing at hand", func(t *testing.T) {
		w := newWorld(t)
		w.cfg.CRLs = []string{filepath.Join(t.TempDir(), "nowhere.pem")}
		require.Zero(t, w.open().Outlook())
	})
	t.Run("C2 a list that nothing can be accepted by", func(t *testing.T) {
		w := newWorld(t)
		trust := w.open()
		w.judged(t, trust)
		pkitest.WriteCRL(t, w.files.CRL, w.Issuing.CRL(pkitest.CRLValid(-time.Hour, 90*time.Hour), pkitest.CRLBadSignature()))
		w.cfg.CRLs = []string{w.files.CRL, w.files.ARL}
		trust.Reload()
		require.Less(t, in(trust.Outlook().End), 90*time.Hour, "the good one of before counts")
	})
}

// TestC2Sources: what a source gives counts as read only when it can be used.
func TestC2Sources(t *testing.T) {
	w := newWorld(t)
	responder := w.Issuing.ServeOCSP(t)
	w.cfg.OCSP.Responders = []string{responder.URL}
	now := time.Now()
	w.cfg.Clock = func() time.Time { return now }
	trust := w.open()
	of := func(where string) (found pki.SourceState) {
		for _, s := range trust.Sources() {
			if s.Where == where {
				found = s
			}
		}
		return found
	}
	first := now
	require.Equal(t, pki.SourceState{Kind: pki.SourceCRL, Where: w.files.CRL, Up: true, Read: first}, of(w.files.CRL))
	require.Zero(t, of(responder.URL), "nobody has asked it")
	w.judged(t, trust)
	require.Equal(t, pki.SourceState{Kind: pki.SourceOCSP, Where: responder.URL, Up: true, Read: first}, of(responder.URL))

	good, err := os.ReadFile(w.files.CRL)
	require.NoError(t, err)
	for name, spoil := range map[string]func(){
		"gone":         func() { require.NoError(t, os.Remove(w.files.CRL)) },
		"no list":      func() { require.NoError(t, os.WriteFile(w.files.CRL, []byte("good, I swear"), 0o600)) },
		"not believed": func() { pkitest.WriteCRL(t, w.files.CRL, w.Issuing.CRL(pkitest.CRLBadSignature())) },
	} {
		t.Run("C2 CRL "+name, func(t *testing.T) {
			before := of(w.files.CRL)
			now = now.Add(time.Minute)
			spoil()
			trust.Reload()
			trust.Reload() // just the same again
			s := of(w.files.CRL)
			require.False(t, s.Up)
			require.Equal(t, before.Read, s.Read)
			require.Greater(t, s.Failures, before.Failures)
			require.NoError(t, os.WriteFile(w.files.CRL, good, 0o600))
			trust.Reload()
			require.True(t, of(w.files.CRL).Up)
			require.Equal(t, now, of(w.files.CRL).Read)
		})
	}
	t.Run("C2 responder", func(t *testing.T) {
		responder.Fail(503)
		w.judged(t, trust)
		s := of(responder.URL)
		require.False(t, s.Up)
		require.Equal(t, uint64(1), s.Failures)
	})
}

// TestC2RespondersOfOtherCAsDoNotFail: that a responder does not answer for a CA is no failure of it.
func TestC2ForeignResponderDoesNotFail(t *testing.T) {
	w := newWorld(t)
	responder := w.Issuing.ServeOCSP(t)
	responder.AnswerRaw(pkitest.OCSPError(6))
	w.cfg.OCSP.Responders = []string{responder.URL}
	trust := w.open()
	w.judged(t, trust)
	require.Positive(t, responder.Asked())
	for _, s := range trust.Sources() {
		require.True(t, s.Up, "%+v", s)
	}
}

// TestC2WarningsNameWhatToDo: the log tells of a responder that fails, long before its answers end, and of data that is not renewed.
func TestC2WarningsNameWhatToDo(t *testing.T) {
	w := newWorld(t)
	responder := w.Issuing.ServeOCSP(t)
	responder.Answer(pkitest.OCSPValid(-time.Minute, time.Hour))
	log := &logBuffer{}
	at := &clock{}
	w.cfg.OCSP = pki.OCSPConfig{Responders: []string{responder.URL}}
	w.cfg.Clock, w.cfg.Poll, w.cfg.Log = at.now, 2*time.Millisecond, slog.New(slog.NewTextHandler(log, nil))
	pkitest.WriteCRL(t, w.files.CRL, w.Issuing.CRL(pkitest.CRLValid(-24*time.Hour, 2*time.Hour)))
	trust := w.open()
	peer := w.judged(t, trust)
	responder.Fail(503)
	run(t, trust)
	require.NotContains(t, log.String(), "not renewed")

	eventually := func(parts ...string) {
		t.Helper()
		require.Eventually(t, func() bool {
			at.forward(time.Second) // pauses end
			_, _ = trust.VerifyKnown(peer, pki.Want{Usage: asClient})
			return has(log, parts...)
		}, patience, 5*time.Millisecond, parts)
	}
	at.forward(6 * time.Minute) // the answer is due
	eventually("OCSP responder fails", responder.URL, "look at the responder", "HTTP status 503")
	at.forward(16 * time.Minute)
	eventually("not renewed", "kind=crl", w.files.CRL, "see that the CA publishes", "left=1h")
	at.forward(20 * time.Minute)
	eventually("not renewed", "kind=ocsp", "see that the responder runs")
	responder.Answer(pkitest.OCSPValid(-time.Minute, 3*time.Hour))
	eventually("OCSP responder answers again")
	require.Equal(t, 1, strings.Count(log.String(), "OCSP responder fails"), "once")
}

// has says whether one line has all parts.
func has(l *logBuffer, parts ...string) bool {
	for line := range strings.Lines(l.String()) {
		all := true
		for _, p := range parts {
			all = all && strings.Contains(line, p)
		}
		if all {
			return true
		}
	}
	return false
}
