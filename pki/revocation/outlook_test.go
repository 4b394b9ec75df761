package revocation_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/pkitest"
	"tlagate/pki/pkitest/bed"
	"tlagate/pki/revocation"
	"tlagate/pki/trust"
)

// in returns how far ahead a moment is, to the minute.
func in(at time.Time) time.Duration { return time.Until(at).Round(time.Minute) }

// TestC2Outlook: refusals begin when the first certificate in use is no longer covered by anything.
func TestC2Outlook(t *testing.T) {
	const crl, arl, answer = 3 * time.Hour, 5 * time.Hour, time.Hour
	type row struct {
		name   string
		set    func(w *bed.World, r *pkitest.OCSPServer)
		end    time.Duration // 0 = nothing is at hand
		lists  int
		answer time.Duration // 0 = none in use
	}
	for _, c := range []row{
		{"C2 CRLs alone", func(w *bed.World, _ *pkitest.OCSPServer) {}, crl, 2, 0},
		{"C2 an ARL that ends first", func(w *bed.World, _ *pkitest.OCSPServer) {
			pkitest.WriteCRL(w.T, w.Files.ARL, w.Root.CRL(pkitest.CRLValid(-time.Hour, 2*time.Hour)))
		}, 2 * time.Hour, 2, 0},
		{"C2 answers that end before the CRL", func(w *bed.World, r *pkitest.OCSPServer) {
			w.Config.OCSP.Responders = []string{r.URL}
		}, crl, 2, answer},
		{"C2 answers that outlast the CRL", func(w *bed.World, r *pkitest.OCSPServer) {
			r.Answer(pkitest.OCSPValid(-time.Minute, 4*time.Hour))
			w.Config.OCSP.Responders = []string{r.URL}
		}, 4 * time.Hour, 2, 4 * time.Hour},
		{"C2 answers alone", func(w *bed.World, r *pkitest.OCSPServer) {
			w.WithoutCRL()
			w.Config.OCSP.Responders = []string{r.URL}
		}, answer, 1, answer},
		{"C2 a responder that is silent", func(w *bed.World, r *pkitest.OCSPServer) {
			r.Fail(503)
			w.Config.OCSP.Responders = []string{r.URL}
		}, crl, 2, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := bed.New(t)
			pkitest.WriteCRL(t, w.Files.CRL, w.Issuing.CRL(pkitest.CRLValid(-time.Hour, crl)))
			pkitest.WriteCRL(t, w.Files.ARL, w.Root.CRL(pkitest.CRLValid(-time.Hour, arl)))
			responder := w.Issuing.ServeOCSP(t)
			responder.Answer(pkitest.OCSPValid(-time.Minute, answer))
			c.set(w, responder)
			trust := w.Open()
			w.Judged(t, trust)
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
		w := bed.New(t)
		w.Config.CRLs = []string{filepath.Join(t.TempDir(), "nowhere.pem")}
		require.Zero(t, w.Open().Outlook())
	})
	t.Run("C2 a list that nothing can be accepted by", func(t *testing.T) {
		w := bed.New(t)
		trust := w.Open()
		w.Judged(t, trust)
		pkitest.WriteCRL(t, w.Files.CRL, w.Issuing.CRL(pkitest.CRLValid(-time.Hour, 90*time.Hour),
			pkitest.CRLBadSignature()))
		w.Config.CRLs = []string{w.Files.CRL, w.Files.ARL}
		trust.Reload()
		require.Less(t, in(trust.Outlook().End), 90*time.Hour, "the good list from before is in force")
	})
}

// TestC2Sources: a source counts as read only when its content can be used.
func TestC2Sources(t *testing.T) {
	w := bed.New(t)
	responder := w.Issuing.ServeOCSP(t)
	w.Config.OCSP.Responders = []string{responder.URL}
	now := time.Now()
	w.Config.Clock = func() time.Time { return now }
	trust := w.Open()
	of := func(where string) (found revocation.SourceState) {
		for _, s := range trust.Sources() {
			if s.Where == where {
				found = s
			}
		}
		return found
	}
	first := now
	require.Equal(t, revocation.SourceState{Kind: pki.SourceCRL, Where: w.Files.CRL, Up: true, Read: first},
		of(w.Files.CRL))
	require.Zero(t, of(responder.URL), "it has not been asked")
	w.Judged(t, trust)
	require.Equal(t, revocation.SourceState{Kind: pki.SourceOCSP, Where: responder.URL, Up: true, Read: first},
		of(responder.URL))

	good, err := os.ReadFile(w.Files.CRL)
	require.NoError(t, err)
	for name, spoil := range map[string]func(){
		"gone":         func() { require.NoError(t, os.Remove(w.Files.CRL)) },
		"no list":      func() { require.NoError(t, os.WriteFile(w.Files.CRL, []byte("good, I swear"), 0o600)) },
		"not believed": func() { pkitest.WriteCRL(t, w.Files.CRL, w.Issuing.CRL(pkitest.CRLBadSignature())) },
	} {
		t.Run("C2 CRL "+name, func(t *testing.T) {
			before := of(w.Files.CRL)
			now = now.Add(time.Minute)
			spoil()
			trust.Reload()
			trust.Reload() // just the same again
			s := of(w.Files.CRL)
			require.False(t, s.Up)
			require.Equal(t, before.Read, s.Read)
			require.Greater(t, s.Failures, before.Failures)
			require.NoError(t, os.WriteFile(w.Files.CRL, good, 0o600))
			trust.Reload()
			require.True(t, of(w.Files.CRL).Up)
			require.Equal(t, now, of(w.Files.CRL).Read)
		})
	}
	t.Run("C2 responder", func(t *testing.T) {
		responder.Fail(503)
		w.Judged(t, trust)
		s := of(responder.URL)
		require.False(t, s.Up)
		require.Equal(t, uint64(1), s.Failures)
	})
}

// TestC2ForeignResponderDoesNotFail: that a responder does not answer for a CA is no failure.
func TestC2ForeignResponderDoesNotFail(t *testing.T) {
	w := bed.New(t)
	responder := w.Issuing.ServeOCSP(t)
	responder.AnswerRaw(pkitest.OCSPError(6))
	w.Config.OCSP.Responders = []string{responder.URL}
	trust := w.Open()
	w.Judged(t, trust)
	require.Positive(t, responder.Asked())
	for _, s := range trust.Sources() {
		require.True(t, s.Up, "%+v", s)
	}
}

// TestC2WarningsNameWhatToDo: the log warns of a responder that fails, long before its answers end, and of data that
// are not renewed.
func TestC2WarningsNameWhatToDo(t *testing.T) {
	w := bed.New(t)
	responder := w.Issuing.ServeOCSP(t)
	responder.Answer(pkitest.OCSPValid(-time.Minute, time.Hour))
	log := &bed.LogBuffer{}
	at := &bed.Clock{}
	w.Config.OCSP = revocation.OCSPConfig{Responders: []string{responder.URL}}
	w.Config.Clock, w.Config.Poll, w.Config.Log = at.Now, 2*time.Millisecond, slog.New(slog.NewTextHandler(log, nil))
	pkitest.WriteCRL(t, w.Files.CRL, w.Issuing.CRL(pkitest.CRLValid(-24*time.Hour, 2*time.Hour)))
	store := w.Open()
	peer := w.Judged(t, store)
	responder.Fail(503)
	bed.Start(t, store)
	require.NotContains(t, log.String(), "not renewed")

	eventually := func(parts ...string) {
		t.Helper()
		require.Eventually(t, func() bool {
			at.Forward(time.Second) // pauses end
			_, _ = store.VerifyKnown(peer, trust.Want{Usage: bed.AsClient})
			return has(log, parts...)
		}, bed.Patience, 5*time.Millisecond, parts)
	}
	at.Forward(6 * time.Minute) // the answer is due
	eventually("OCSP responder fails", responder.URL, "look at the responder", "HTTP status 503")
	at.Forward(16 * time.Minute)
	eventually("not renewed", "kind=crl", w.Files.CRL, "see that the CA publishes", "left=1h")
	at.Forward(20 * time.Minute)
	eventually("not renewed", "kind=ocsp", "see that the responder runs")
	responder.Answer(pkitest.OCSPValid(-time.Minute, 3*time.Hour))
	eventually("OCSP responder answers again")
	require.Equal(t, 1, strings.Count(log.String(), "OCSP responder fails"), "once")
}

// has reports whether one line of a log has all parts.
func has(l *bed.LogBuffer, parts ...string) bool {
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
