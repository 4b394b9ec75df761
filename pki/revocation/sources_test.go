package revocation_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/crl"
	"tlagate/pki/pkitest"
	"tlagate/pki/pkitest/bed"
	"tlagate/pki/revocation"
	"tlagate/pki/trust"
)

func TestC2BadNewCRLLeavesTheOld(t *testing.T) {
	for _, tc := range []struct {
		name   string
		reason pki.Reason
		spoil  func(w *bed.World)
	}{
		{"unreadable", pki.CRLBad, func(w *bed.World) {
			require.NoError(w.T, os.WriteFile(w.Files.CRL, []byte{1, 2, 3}, 0o644))
		}},
		{"removed", pki.CRLMissing, func(w *bed.World) { require.NoError(w.T, os.Remove(w.Files.CRL)) }},
		{"bad signature", pki.CRLBadSignature, func(w *bed.World) {
			bed.CRL(pkitest.CRLBadSignature())(w, tls.Certificate{})
		}},
		{"by another CA", pki.CRLWrongIssuer, func(w *bed.World) {
			bed.CRL(pkitest.CRLSignedBy(w.Root))(w, tls.Certificate{})
		}},
		{"number gone back", pki.CRLNumberBack, func(w *bed.World) {
			bed.CRL(pkitest.CRLNumber(0))(w, tls.Certificate{})
		}},
		{"delta", pki.CRLBad, func(w *bed.World) { bed.CRL(pkitest.CRLDelta(1))(w, tls.Certificate{}) }},
		{"of another CA", pki.CRLWrongIssuer, func(w *bed.World) {
			pkitest.WriteCRL(w.T, w.Files.CRL, pkitest.NewNamed(w.T, "TEST x").Root.CRL())
		}},
	} {
		for _, known := range []string{"configured", "learnt"} {
			t.Run("C2 "+tc.name+", CA "+known, func(t *testing.T) {
				w := bed.New(t)
				if known == "configured" {
					w.Config.Intermediates = []string{w.Files.Intermediate}
				}
				log := w.LogTo()
				trust := w.Open()
				peer := w.Issue(bed.TLA1, bed.AsClient)
				require.NoError(t, bed.Verify(trust, peer))
				tc.spoil(w)
				trust.Reload()
				require.NoError(t, bed.Verify(trust, peer))
				require.Contains(t, log.String(), "reason="+string(tc.reason))

				w.Issuing.Revoke(peer.Leaf)
				w.WriteCRLs(w.Files)
				trust.Reload()
				require.Equal(t, pki.Revoked, pki.ReasonOf(bed.Verify(trust, peer)))
			})
		}
	}
}

// A good newer list replaces the old one even if it is stale or from the future: it is the CA's last word.
func TestC2NewerCRLTakesThePlaceWhateverItsDates(t *testing.T) {
	for reason, opt := range map[pki.Reason]pkitest.CRLOption{pki.CRLStale: pkitest.CRLStale(),
		pki.CRLFuture: pkitest.CRLFuture()} {
		t.Run("C2 "+string(reason), func(t *testing.T) {
			w := bed.New(t)
			trust := w.Open()
			peer := w.Issue(bed.TLA1, bed.AsClient)
			require.NoError(t, bed.Verify(trust, peer))
			bed.CRL(opt)(w, peer)
			trust.Reload()
			require.Equal(t, reason, pki.ReasonOf(bed.Verify(trust, peer)))
		})
	}
}

// A CRL from the future must not use up its number: the next one, after the CA has corrected its clock, is accepted.
func TestC2FutureCRLLeavesTheNumberAlone(t *testing.T) {
	w := bed.New(t)
	bed.CRL(pkitest.CRLFuture(), pkitest.CRLNumber(99))(w, tls.Certificate{})
	w.Config.State = filepath.Join(t.TempDir(), "numbers.json")
	peer := w.Issue(bed.TLA1, bed.AsClient)
	require.Equal(t, pki.CRLFuture, pki.ReasonOf(bed.Verify(w.Open(), peer)))
	bed.CRL(pkitest.CRLNumber(3))(w, tls.Certificate{})
	require.NoError(t, bed.Verify(w.Open(), peer))
}

func TestC2ClockSkewOfACRL(t *testing.T) {
	w := bed.New(t)
	bed.CRL(pkitest.CRLValid(4*time.Minute, time.Hour))(w, tls.Certificate{})
	require.NoError(t, bed.Verify(w.Open(), w.Issue(bed.TLA1, bed.AsClient)))
}

func TestC2BestOfSeveralCRLs(t *testing.T) {
	w := bed.New(t)
	peer := w.Issue(bed.TLA1, bed.AsClient)
	old, stale, bad := w.Issuing.CRL(), w.Issuing.CRL(pkitest.CRLStale()), w.Issuing.CRL(pkitest.CRLBadSignature())
	w.Issuing.Revoke(peer.Leaf)
	newest := w.Issuing.CRL()
	other := filepath.Join(t.TempDir(), "more.crl")
	w.Config.CRLs = append(w.Config.CRLs, other)

	pkitest.WriteCRL(t, w.Files.CRL, old)
	pkitest.WriteCRL(t, other, bad)
	require.NoError(t, bed.Verify(w.Open(), peer))
	pkitest.WriteCRL(t, other, bad, stale, newest, old)
	require.Equal(t, pki.Revoked, pki.ReasonOf(bed.Verify(w.Open(), peer)))
}

func TestC2DistributionPointsThatMatch(t *testing.T) {
	w := bed.New(t)
	bed.CRL(pkitest.CRLWithIDP(pkitest.IDP{URL: "http://a.example/crl", OnlyUser: true}))(w, tls.Certificate{})
	bed.ARL(pkitest.CRLWithIDP(pkitest.IDP{OnlyCA: true}))(w, tls.Certificate{})
	require.NoError(t, bed.Verify(w.Open(), w.Issue(bed.TLA1, bed.AsClient, pkitest.CRLDP("http://a.example/crl"))))
}

func TestCRLAsDER(t *testing.T) {
	w := bed.New(t)
	require.NoError(t, os.WriteFile(w.Files.CRL, w.Issuing.CRL(), 0o644))
	require.NoError(t, bed.Verify(w.Open(), w.Issue(bed.TLA1, bed.AsClient)))
}

func TestC2RunNoticesAChangedFile(t *testing.T) {
	w := bed.New(t)
	w.Config.Poll = time.Millisecond
	trust := w.Open()
	bed.Running(t, trust)
	peer := w.Issue(bed.TLA1, bed.AsClient)
	require.NoError(t, bed.Verify(trust, peer))
	w.Issuing.Revoke(peer.Leaf)
	w.WriteCRLs(w.Files)
	bed.Await(t, trust, func() bool { return pki.ReasonOf(bed.Verify(trust, peer)) == pki.Revoked })
}

func TestReloadWithoutNewsChangesNothing(t *testing.T) {
	w := bed.New(t)
	trust := w.Open()
	changed := trust.Changed()
	trust.Reload()
	select {
	case <-changed:
		require.Fail(t, "a change was announced")
	default:
	}
}

func TestC2StateFile(t *testing.T) {
	w := bed.New(t)
	w.Config.State = filepath.Join(t.TempDir(), "numbers.json")
	w.Config.Intermediates = []string{w.Files.Intermediate}
	store := w.Open()
	var seen map[string]struct {
		Issuer string
		Number int64
	}
	read := func() {
		data, err := os.ReadFile(w.Config.State)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(data, &seen))
	}
	read()
	require.Len(t, seen, 2, "root and issuing CA are known, so both numbers are kept when read")
	w.WriteCRLs(w.Files)
	store.Reload()
	read()
	for _, s := range seen {
		require.EqualValues(t, 2, s.Number)
	}
	left, err := os.ReadDir(filepath.Dir(w.Config.State))
	require.NoError(t, err)
	require.Len(t, left, 1, "no temporary file stays")

	for name, content := range map[string]string{"cut off": `{"a":`, "empty": "", "null": "null",
		"negative": `{"a":{"number":-1}}`, "without number": `{"a":{}}`} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, os.WriteFile(w.Config.State, []byte(content), 0o600))
			_, err := trust.Open(w.Config)
			require.ErrorContains(t, err, w.Config.State)
		})
	}
}

// The number of a list that is not signed by its CA must not lock out the real ones.
func TestC2ForgedNumberIsNotKept(t *testing.T) {
	w := bed.New(t)
	w.Config.State = filepath.Join(t.TempDir(), "numbers.json")
	peer := w.Issue(bed.TLA1, bed.AsClient)
	bed.CRL(pkitest.CRLNumber(1<<40), pkitest.CRLBadSignature())(w, peer)
	require.Equal(t, pki.CRLBadSignature, pki.ReasonOf(bed.Verify(w.Open(), peer)))
	w.WriteCRLs(w.Files)
	require.NoError(t, bed.Verify(w.Open(), peer))
}

func TestC2CRLByURL(t *testing.T) {
	w := bed.New(t)
	srv := &bed.CRLServer{}
	srv.Set(w.Issuing.CRL(), `"1"`, 0)
	web := httptest.NewServer(srv)
	defer web.Close()
	w.Config.CRLs = []string{w.Files.ARL, web.URL + "/issuing.crl"}
	w.Config.HTTP = web.Client()
	w.Config.Poll, w.Config.Fetch = time.Millisecond, 5*time.Millisecond
	trust := w.Open()
	peer := w.Issue(bed.TLA1, bed.AsClient)
	require.NoError(t, bed.Verify(trust, peer))

	trust.Reload()
	require.Equal(t, 1, srv.Full)
	require.Equal(t, 1, srv.Same)

	srv.Set(nil, "", http.StatusInternalServerError)
	trust.Reload()
	require.NoError(t, bed.Verify(trust, peer), "a server in trouble leaves the CRL at hand")

	bed.Running(t, trust)
	w.Issuing.Revoke(peer.Leaf)
	srv.Set(w.Issuing.CRL(), `"2"`, 0)
	bed.Await(t, trust, func() bool { return pki.ReasonOf(bed.Verify(trust, peer)) == pki.Revoked })
}

// TestC2AFailedReloadIsTriedAgainSoon: not only when the list would have been fetched anyhow.
func TestC2AFailedReloadIsTriedAgainSoon(t *testing.T) {
	w := bed.New(t)
	srv := &bed.CRLServer{}
	srv.Set(w.Issuing.CRL(), `"1"`, 0)
	web := httptest.NewServer(srv)
	defer web.Close()
	w.Config.CRLs = []string{w.Files.ARL, web.URL + "/issuing.crl"}
	w.Config.HTTP, w.Config.Fetch = web.Client(), 24*time.Hour
	trust := w.Open()
	bed.Running(t, trust)
	srv.Set(nil, "", http.StatusInternalServerError)
	trust.Reload()
	peer := w.Issue(bed.TLA1, bed.AsClient)
	w.Issuing.Revoke(peer.Leaf)
	srv.Set(w.Issuing.CRL(), `"2"`, 0)
	bed.Await(t, trust, func() bool { return pki.ReasonOf(bed.Verify(trust, peer)) == pki.Revoked })
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
			w := bed.New(t)
			srv := &bed.CRLServer{}
			srv.Set(bytes.Repeat([]byte("<html>"), 20), `"1"`, tc.status)
			web := httptest.NewServer(srv)
			defer web.Close()
			w.Config.CRLs, w.Config.MaxCRL = []string{w.Files.ARL, web.URL}, tc.max
			if tc.max != 0 {
				w.Config.CRLs = []string{web.URL}
			}
			require.Equal(t, tc.reason, pki.ReasonOf(bed.Verify(w.Open(), w.Issue(bed.TLA1, bed.AsClient))))
		})
	}
}

func TestURLIsAskedBeforeItsCRLEnds(t *testing.T) {
	w := bed.New(t)
	held, err := crl.Parse(t.Context(), "test", w.Issuing.CRL(pkitest.CRLValid(0, 10*time.Hour)))
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
				next := revocation.NextFetch(time.Hour, tc.at, held, tc.failures)
				require.GreaterOrEqual(t, next, tc.min)
				require.LessOrEqual(t, next, tc.max)
			}
		})
	}
}

func TestURLRedirects(t *testing.T) {
	w := bed.New(t)
	srv := &bed.CRLServer{}
	srv.Set(w.Issuing.CRL(), `"1"`, 0)
	mux := http.NewServeMux()
	mux.Handle("/crl", srv)
	mux.Handle("/moved", http.RedirectHandler("/crl", http.StatusFound))
	mux.Handle("/circle", http.RedirectHandler("/circle", http.StatusFound))
	web := httptest.NewServer(mux)
	defer web.Close()
	peer := w.Issue(bed.TLA1, bed.AsClient)
	w.Config.CRLs = []string{w.Files.ARL, web.URL + "/moved"}
	require.NoError(t, bed.Verify(w.Open(), peer))
	w.Config.CRLs[1] = web.URL + "/circle"
	require.Equal(t, pki.CRLMissing, pki.ReasonOf(bed.Verify(w.Open(), peer)))
}
