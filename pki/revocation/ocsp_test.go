package revocation_test

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ocsp"

	"tlagate/pki"
	"tlagate/pki/pkitest"
	"tlagate/pki/pkitest/bed"
	"tlagate/pki/revocation"
	"tlagate/pki/trust"
)

func TestC2OCSPAnswerTooLarge(t *testing.T) {
	w := bed.New(t)
	w.WithoutCRL()
	server := w.Issuing.ServeOCSP(t)
	large := make([]byte, 64<<10+1)
	server.AnswerRaw(large)
	w.Config.OCSP.Responders = []string{server.URL}
	store := w.Open()
	_, err := store.Verify(pkitest.Chain(w.Issue(bed.TLA1, bed.AsClient)), trust.Want{Usage: bed.AsClient})
	require.Equal(t, pki.OCSPBad, pki.ReasonOf(err), "%v", err)
	require.Equal(t, pki.OCSPBad, pki.ReasonOf(store.AddStatus(large)))
}

func TestC2OCSPSignedByTheCertificateItself(t *testing.T) {
	w := bed.New(t)
	w.WithoutCRL()
	peer := w.Issue(bed.TLA1, bed.AsClient)
	peer.OCSPStaple = w.Issuing.OCSP(peer.Leaf, pkitest.OCSPSignedBy(peer))
	got, _ := bed.Serve(t, w.Party(w.Open(), bed.PdT1, bed.AsServer), trust.Want{Usage: bed.AsClient},
		bed.Showing(peer))
	require.Equal(t, pki.OCSPBadSigner, pki.ReasonOf(got.Err), "%v", got.Err)
}

// TestC2OCSPAnswersThatAreGood: what must be believed, or the table of lies (pki/trust) proves nothing.
func TestC2OCSPAnswersThatAreGood(t *testing.T) {
	for name, answer := range map[string]func(*bed.World, *x509.Certificate) []byte{
		"delegated":                 bed.Answering(),
		"delegated, known by name":  bed.Answering(pkitest.OCSPByName()),
		"by the CA":                 bed.Answering(pkitest.OCSPByCA()),
		"by the CA, known by name":  bed.Answering(pkitest.OCSPByCA(), pkitest.OCSPByName()),
		"SHA-1 certID":              bed.Answering(pkitest.OCSPHash(crypto.SHA1)),
		"SHA-384 certID":            bed.Answering(pkitest.OCSPHash(crypto.SHA384)),
		"SHA-512 certID":            bed.Answering(pkitest.OCSPHash(crypto.SHA512)),
		"RSA responder":             bed.SignedBy(pkitest.RSA(2048)),
		"somebody's nonce":          bed.Answering(pkitest.OCSPNonce(make([]byte, 32))),
		"a clock two minutes ahead": bed.Answering(pkitest.OCSPValid(2*time.Minute, time.Hour)),
		"an extension that is no demand": bed.Answering(pkitest.OCSPExtension(
			pkix.Extension{Id: asn1.ObjectIdentifier{2, 999, 77}, Value: []byte{5, 0}})),
		"another's status before it": func(w *bed.World, c *x509.Certificate) []byte {
			return w.Issuing.OCSP(c, pkitest.OCSPAlso(bed.Other(w), "revoked", true))
		},
		"another's status behind it": func(w *bed.World, c *x509.Certificate) []byte {
			return w.Issuing.OCSP(c, pkitest.OCSPAlso(bed.Other(w), "revoked", false))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := bed.New(t)
			w.WithoutCRL()
			peer := w.Issue(bed.TLA1, bed.AsClient)
			peer.OCSPStaple = answer(w, peer.Leaf)
			got, told := bed.Serve(t, w.Party(w.Open(), bed.PdT1, bed.AsServer), trust.Want{Usage: bed.AsClient},
				bed.Showing(peer))
			require.NoError(t, got.Err)
			require.NoError(t, told)
			require.Equal(t, pki.SourceStaple, got.Peer.Verdict.Revocation[0].Kind)
			require.Equal(t, pki.SourceCRL, got.Peer.Verdict.Revocation[1].Kind)
		})
	}
}

// TestC2OCSPResponderWithoutNoCheck: a responder without nocheck is itself looked up in the CRL.
func TestC2OCSPResponderWithoutNoCheck(t *testing.T) {
	w := bed.New(t)
	responder := w.Issuing.CheckedResponder()
	peer := w.Issue(bed.TLA1, bed.AsClient)
	peer.OCSPStaple = w.Issuing.OCSP(peer.Leaf, pkitest.OCSPSignedBy(responder))
	store := w.Open()
	judge := w.Party(store, bed.PdT1, bed.AsServer)
	got, _ := bed.Serve(t, judge, trust.Want{Usage: bed.AsClient}, bed.Showing(peer))
	require.NoError(t, got.Err)
	require.Equal(t, pki.SourceStaple, got.Peer.Verdict.Revocation[0].Kind)

	w.Issuing.Revoke(responder.Leaf)
	w.WriteCRLs(w.Files)
	store.Reload()
	got, _ = bed.Serve(t, judge, trust.Want{Usage: bed.AsClient}, bed.Showing(peer))
	require.NoError(t, got.Err, "the CRL itself says that the peer is good")
	require.Equal(t, pki.SourceCRL, got.Peer.Verdict.Revocation[0].Kind)
}

// TestC2OCSPResponderDenied: the local deny list ends a responder's authority, whatever nocheck says.
func TestC2OCSPResponderDenied(t *testing.T) {
	w := bed.New(t)
	w.WithoutCRL()
	responder := w.Issuing.Responder()
	peer := w.Issue(bed.TLA1, bed.AsClient)
	peer.OCSPStaple = w.Issuing.OCSP(peer.Leaf, pkitest.OCSPSignedBy(responder))
	store := w.Open()
	judge := w.Party(store, bed.PdT1, bed.AsServer)
	got, _ := bed.Serve(t, judge, trust.Want{Usage: bed.AsClient}, bed.Showing(peer))
	require.NoError(t, got.Err)
	store.Deny(revocation.Denied{IssuerKeyID: w.Issuing.Cert.SubjectKeyId, Serial: responder.Leaf.SerialNumber,
		Reason: 1, At: time.Now()})
	require.Equal(t, pki.OCSPBadSigner, pki.ReasonOf(store.Recheck(got.Peer)))
	got, _ = bed.Serve(t, judge, trust.Want{Usage: bed.AsClient}, bed.Showing(peer))
	require.Equal(t, pki.OCSPBadSigner, pki.ReasonOf(got.Err))
}

func TestC2ServerStaples(t *testing.T) {
	w := bed.New(t)
	w.WithoutCRL()
	peer := w.Issue(bed.PdT1, bed.AsServer)
	peer.OCSPStaple = w.Issuing.OCSP(peer.Leaf)
	got, _ := bed.Dial(t, w.Party(w.Open(), bed.TLA1, bed.AsClient), trust.Want{Usage: bed.AsServer},
		bed.Stranger(peer))
	require.NoError(t, got.Err)
	require.Equal(t, pki.SourceStaple, got.Peer.Verdict.Revocation[0].Kind)
}

func TestC2MustStaple(t *testing.T) {
	w := bed.New(t)
	peer := w.Issue(bed.TLA1, bed.AsClient, pkitest.MustStaple())
	store := w.Open()
	judge := w.Party(store, bed.PdT1, bed.AsServer)
	for name, c := range map[string]struct {
		staple []byte
		reason pki.Reason
	}{
		"C2 must-staple kept":           {w.Issuing.OCSP(peer.Leaf), ""},
		"C2 must-staple, none":          {nil, pki.StapleMissing},
		"C2 must-staple, stale":         {w.Issuing.OCSP(peer.Leaf, pkitest.OCSPStale()), pki.OCSPStale},
		"C2 must-staple, another's":     {w.Issuing.OCSP(bed.Other(w)), pki.OCSPWrongCertificate},
		"C2 must-staple, badly signed ": {w.Issuing.OCSP(peer.Leaf, pkitest.OCSPBadSignature()), pki.OCSPBadSignature},
	} {
		t.Run(name, func(t *testing.T) {
			peer := peer
			peer.OCSPStaple = c.staple
			got, _ := bed.Serve(t, judge, trust.Want{Usage: bed.AsClient}, bed.Showing(peer))
			require.Equal(t, c.reason, pki.ReasonOf(got.Err), "%v", got.Err)
			if c.reason == "" {
				require.NoError(t, store.Recheck(got.Peer))
			}
		})
	}
}

// TestC2OrderOfSources: what is good is good by staple, cache, OCSP, CRL, in this order.
func TestC2OrderOfSources(t *testing.T) {
	w := bed.New(t)
	server := w.Issuing.ServeOCSP(t)
	w.Config.OCSP.Responders = []string{server.URL}
	peer := w.Issue(bed.TLA1, bed.AsClient)
	store := w.Open()
	kind := func(c tls.Certificate) string {
		t.Helper()
		got, _ := bed.Serve(t, w.Party(store, bed.PdT1, bed.AsServer), trust.Want{Usage: bed.AsClient}, bed.Showing(c))
		require.NoError(t, got.Err)
		require.NoError(t, store.Recheck(got.Peer))
		return got.Peer.Verdict.Revocation[0].Kind
	}
	require.Equal(t, pki.SourceOCSP, kind(peer))
	require.Equal(t, pki.SourceCache, kind(peer))
	stapled := peer
	stapled.OCSPStaple = w.Issuing.OCSP(peer.Leaf)
	require.Equal(t, pki.SourceStaple, kind(stapled))

	server.Fail(500)
	fresh := w.Issue(bed.TLA1, bed.AsClient)
	require.Equal(t, pki.SourceCRL, kind(fresh))
	require.NoError(t, store.AddStatus(w.Issuing.OCSP(fresh.Leaf)))
	require.Equal(t, pki.SourceStatus, kind(fresh))
}

// TestC2RevokedWins: a certificate that any source revokes is refused, whatever the others say.
func TestC2RevokedWins(t *testing.T) {
	good := func(w *bed.World, c *tls.Certificate) { c.OCSPStaple = w.Issuing.OCSP(c.Leaf) }
	for name, c := range map[string]struct {
		reason pki.Reason
		spoil  func(t *testing.T, w *bed.World, trust *trust.Trust, peer *tls.Certificate)
	}{
		"C2 pushed": {pki.Revoked, func(_ *testing.T, w *bed.World, trust *trust.Trust, peer *tls.Certificate) {
			trust.Deny(revocation.Denied{IssuerKeyID: w.Issuing.Cert.SubjectKeyId, Serial: peer.Leaf.SerialNumber,
				Reason: 1, At: time.Now()})
		}},
		"C2 CA pushed": {pki.CARevoked, func(_ *testing.T, w *bed.World, trust *trust.Trust, _ *tls.Certificate) {
			trust.Deny(revocation.Denied{IssuerKeyID: w.Root.Cert.SubjectKeyId, Serial: w.Issuing.Cert.SerialNumber,
				Reason: 2, At: time.Now()})
		}},
		"C2 CRL": {pki.Revoked, func(_ *testing.T, w *bed.World, trust *trust.Trust, peer *tls.Certificate) {
			w.Issuing.Revoke(peer.Leaf)
			w.WriteCRLs(w.Files)
			trust.Reload()
		}},
		"C2 CRL that has gone stale": {pki.Revoked, func(t *testing.T, w *bed.World, trust *trust.Trust,
			peer *tls.Certificate) {
			w.Issuing.Revoke(peer.Leaf)
			pkitest.WriteCRL(t, w.Files.CRL, w.Issuing.CRL(pkitest.CRLStale()))
			trust.Reload()
		}},
		"C2 status record": {pki.Revoked, func(t *testing.T, w *bed.World, trust *trust.Trust, peer *tls.Certificate) {
			require.NoError(t, trust.AddStatus(w.Issuing.OCSP(peer.Leaf, pkitest.OCSPStatus("revoked"))))
		}},
		"C2 older answer that revokes": {pki.Revoked, func(t *testing.T, w *bed.World, trust *trust.Trust,
			peer *tls.Certificate) {
			require.NoError(t, trust.AddStatus(w.Issuing.OCSP(peer.Leaf, pkitest.OCSPStatus("revoked"),
				pkitest.OCSPValid(-2*time.Hour, time.Hour))))
		}},
		"C2 staple": {pki.Revoked, func(_ *testing.T, w *bed.World, _ *trust.Trust, peer *tls.Certificate) {
			peer.OCSPStaple = w.Issuing.OCSP(peer.Leaf, pkitest.OCSPStatus("revoked"))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := bed.New(t)
			store := w.Open()
			peer := w.Issue(bed.TLA1, bed.AsClient)
			good(w, &peer)
			judge := w.Party(store, bed.PdT1, bed.AsServer)
			got, _ := bed.Serve(t, judge, trust.Want{Usage: bed.AsClient}, bed.Showing(peer))
			require.NoError(t, got.Err)
			c.spoil(t, w, store, &peer)
			again, _ := bed.Serve(t, judge, trust.Want{Usage: bed.AsClient}, bed.Showing(peer))
			require.Equal(t, c.reason, pki.ReasonOf(again.Err), "%v", again.Err)
			require.Equal(t, c.reason, pki.ReasonOf(store.Recheck(got.Peer)), "a live peer")
		})
	}
}

func TestC2HoldIsReleased(t *testing.T) {
	w := bed.New(t)
	w.WithoutCRL()
	store := w.Open()
	peer := w.Issue(bed.TLA1, bed.AsClient)
	issuer, serial := w.Issuing.Cert.SubjectKeyId, peer.Leaf.SerialNumber
	verify := func() pki.Reason {
		_, err := store.Verify(pkitest.Chain(peer), trust.Want{Usage: bed.AsClient})
		return pki.ReasonOf(err)
	}
	require.NoError(t, store.AddStatus(w.Issuing.OCSP(peer.Leaf)))
	_, err := store.Verify(pkitest.Chain(peer), trust.Want{Usage: bed.AsClient})
	require.NoError(t, err)
	changed := store.Changed()
	store.Deny(revocation.Denied{IssuerKeyID: issuer, Serial: serial, Reason: 6, At: time.Now()})
	bed.RequireClosed(t, changed)
	require.Equal(t, pki.Revoked, verify())
	require.NoError(t, store.AddStatus(w.Issuing.OCSP(peer.Leaf, pkitest.OCSPHold(),
		pkitest.OCSPValid(-30*time.Second, time.Hour))))
	require.True(t, store.Allow(issuer, serial))
	require.NotEqual(t, pki.Revoked, verify(), "the answer on hold is forgotten with it")
	require.NoError(t, store.AddStatus(w.Issuing.OCSP(peer.Leaf)))
	require.Empty(t, verify())

	store.Deny(revocation.Denied{IssuerKeyID: issuer, Serial: serial, Reason: 1, At: time.Now()})
	require.False(t, store.Allow(issuer, serial), "only a hold is taken back")
	require.Equal(t, pki.Revoked, verify())
}

// TestC2StatusBeforeItsCA: a status record may come before the first certificate of its CA.
func TestC2StatusBeforeItsCA(t *testing.T) {
	w := bed.New(t)
	w.WithoutCRL()
	store := w.Open()
	peer := w.Issue(bed.TLA1, bed.AsClient)
	require.NoError(t, store.AddStatus(w.Issuing.OCSP(peer.Leaf)))
	verdict, err := store.Verify(pkitest.Chain(peer), trust.Want{Usage: bed.AsClient})
	require.NoError(t, err)
	require.Equal(t, pki.SourceStatus, verdict.Revocation[0].Kind)

	liar := w.Issue(bed.TLA1, bed.AsClient)
	store = w.Open()
	require.NoError(t, store.AddStatus(w.Issuing.OCSP(liar.Leaf, pkitest.OCSPBadSignature())))
	_, err = store.Verify(pkitest.Chain(liar), trust.Want{Usage: bed.AsClient})
	require.Equal(t, pki.CRLMissing, pki.ReasonOf(err))
}

// TestC2Nonce: if a nonce is sent, the answer must have it.
func TestC2Nonce(t *testing.T) {
	w := bed.New(t)
	w.WithoutCRL()
	server := w.Issuing.ServeOCSP(t)
	w.Config.OCSP = revocation.OCSPConfig{Responders: []string{server.URL}, Nonce: true}
	verify := func() error {
		_, err := w.Open().Verify(pkitest.Chain(w.Issue(bed.TLA1, bed.AsClient)), trust.Want{Usage: bed.AsClient})
		return err
	}
	require.NoError(t, verify(), "the responder sends it back")
	server.Answer(pkitest.OCSPNoNonce())
	require.Equal(t, pki.OCSPNonce, pki.ReasonOf(verify()))
	server.Answer(pkitest.OCSPNoNonce(), pkitest.OCSPNonce(make([]byte, 32)))
	require.Equal(t, pki.OCSPNonce, pki.ReasonOf(verify()))
	w.Config.OCSP.Nonce = false
	require.NoError(t, verify(), "another's nonce does no harm when none was sent")
	server.Answer(pkitest.OCSPNoNonce())
	require.NoError(t, verify())
}

// TestC2ResponderGoesAway: nothing breaks until the data are stale; then the refusal says exactly that.
func TestC2ResponderGoesAway(t *testing.T) {
	w := bed.New(t)
	w.WithoutCRL()
	server := w.Issuing.ServeOCSP(t)
	now := time.Now()
	w.Config.Clock = func() time.Time { return now }
	w.Config.OCSP.Responders = []string{server.URL}
	store := w.Open()
	peer := w.Issue(bed.TLA1, bed.AsClient)
	got, _ := bed.Serve(t, w.Party(store, bed.PdT1, bed.AsServer), trust.Want{Usage: bed.AsClient}, bed.Showing(peer))
	require.NoError(t, got.Err)
	server.Fail(503)
	now = now.Add(23 * time.Hour)
	require.NoError(t, store.Recheck(got.Peer))
	now = now.Add(2 * time.Hour)
	require.Equal(t, pki.OCSPStale, pki.ReasonOf(store.Recheck(got.Peer)))
	_, err := store.Verify(got.Peer.Chain, trust.Want{Usage: bed.AsClient})
	require.Equal(t, pki.OCSPStale, pki.ReasonOf(err))
	for _, said := range []string{"it ended at", server.URL, "HTTP status 503", "no CRL of"} {
		require.ErrorContains(t, err, said)
	}
}

// TestC2NothingToBeHad: the refusal names all that was tried.
func TestC2NothingToBeHad(t *testing.T) {
	w := bed.New(t)
	w.WithoutCRL()
	w.Config.OCSP.Responders = []string{"http://127.0.0.1:1"}
	_, err := w.Open().Verify(pkitest.Chain(w.Issue(bed.TLA1, bed.AsClient)), trust.Want{Usage: bed.AsClient})
	require.Equal(t, pki.OCSPMissing, pki.ReasonOf(err))
	require.ErrorContains(t, err, "http://127.0.0.1:1")
	require.ErrorContains(t, err, "no CRL of")
}

// TestC2SilentResponderIsNotWaitedForTwice: a responder that failed a moment ago costs the next handshake nothing.
func TestC2SilentResponderIsNotWaitedForTwice(t *testing.T) {
	w := bed.New(t)
	server := w.Issuing.ServeOCSP(t)
	server.Fail(500)
	w.Config.OCSP.Responders = []string{server.URL}
	store := w.Open()
	for range 5 {
		_, err := store.Verify(pkitest.Chain(w.Issue(bed.TLA1, bed.AsClient)), trust.Want{Usage: bed.AsClient})
		require.NoError(t, err, "the CRL says that it is good")
	}
	require.LessOrEqual(t, server.Asked(), 2)
}

func TestC2ResponderOfTheCertificate(t *testing.T) {
	w := bed.New(t)
	w.WithoutCRL()
	server := w.Issuing.ServeOCSP(t)
	peer := w.Issue(bed.TLA1, bed.AsClient, pkitest.AIA("ldap://x", server.URL))
	_, err := w.Open().Verify(pkitest.Chain(peer), trust.Want{Usage: bed.AsClient})
	require.Equal(t, pki.CRLMissing, pki.ReasonOf(err), "it is not asked unless configured")
	require.Zero(t, server.Asked())
	w.Config.OCSP.FromAIA = true
	_, err = w.Open().Verify(pkitest.Chain(peer), trust.Want{Usage: bed.AsClient})
	require.NoError(t, err)
}

// TestC2ResponderKnowsOneMethod: a responder that refuses GET is asked by POST; one that is broken is not asked twice.
func TestC2ResponderKnowsOneMethod(t *testing.T) {
	for status, want := range map[int]pki.Reason{400: "", 404: "", 405: "", 414: "", 501: "", 429: pki.OCSPMissing,
		500: pki.OCSPMissing} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			w := bed.New(t)
			w.WithoutCRL()
			server, gets := w.Issuing.ServeOCSP(t), atomic.Int64{}
			front := serveHTTP(t, func(rw http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPost {
					server.ServeHTTP(rw, r)
					return
				}
				gets.Add(1)
				rw.WriteHeader(status)
			})
			w.Config.OCSP.Responders = []string{front}
			_, err := w.Open().Verify(pkitest.Chain(w.Issue(bed.TLA1, bed.AsClient)), trust.Want{Usage: bed.AsClient})
			require.Equal(t, want, pki.ReasonOf(err))
			require.Positive(t, gets.Load())
			require.Equal(t, want == "", server.Asked() > 0)
		})
	}
}

// TestC2ResponderMoved: a redirect keeps method and body; a circle of redirects ends.
func TestC2ResponderMoved(t *testing.T) {
	for status, want := range map[int]pki.Reason{301: "", 302: "", 307: "", 308: "", 303: pki.OCSPMissing} {
		for _, nonce := range []bool{true, false} { // by POST, by GET
			t.Run(fmt.Sprint(status, nonce), func(t *testing.T) {
				w := bed.New(t)
				w.WithoutCRL()
				server := w.Issuing.ServeOCSP(t)
				front := serveHTTP(t, func(rw http.ResponseWriter, r *http.Request) {
					http.Redirect(rw, r, server.URL+r.URL.EscapedPath(), status)
				})
				w.Config.OCSP = revocation.OCSPConfig{Responders: []string{front}, Nonce: nonce}
				_, err := w.Open().Verify(pkitest.Chain(w.Issue(bed.TLA1, bed.AsClient)),
					trust.Want{Usage: bed.AsClient})
				require.Equal(t, want, pki.ReasonOf(err))
			})
		}
	}
	t.Run("in a ring", func(t *testing.T) {
		w := bed.New(t)
		w.WithoutCRL()
		asked := atomic.Int64{}
		w.Config.OCSP.Responders = []string{serveHTTP(t, func(rw http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			http.Redirect(rw, r, r.URL.EscapedPath(), http.StatusFound)
		})}
		_, err := w.Open().Verify(pkitest.Chain(w.Issue(bed.TLA1, bed.AsClient)), trust.Want{Usage: bed.AsClient})
		require.Equal(t, pki.OCSPMissing, pki.ReasonOf(err))
		require.ErrorContains(t, err, "too many redirects")
		require.LessOrEqual(t, asked.Load(), int64(8))
	})
}

// serveHTTP serves f as long as the test lives, and returns its URL.
func serveHTTP(t *testing.T, f http.HandlerFunc) string {
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return server.URL
}

// TestC2SecondResponder: a responder that is silent, or lies, does not prevent the next from being asked.
func TestC2SecondResponder(t *testing.T) {
	w := bed.New(t)
	w.WithoutCRL()
	first, second := w.Issuing.ServeOCSP(t), w.Issuing.ServeOCSP(t)
	w.Config.OCSP.Responders = []string{"http://127.0.0.1:1", first.URL, second.URL}
	first.Answer(pkitest.OCSPBadSignature())
	_, err := w.Open().Verify(pkitest.Chain(w.Issue(bed.TLA1, bed.AsClient)), trust.Want{Usage: bed.AsClient})
	require.NoError(t, err)
}

// TestC2RevokedWhileLive: Run asks again, and announces the change to those that have live peers; Recheck itself never
// asks.
func TestC2RevokedWhileLive(t *testing.T) {
	w := bed.New(t)
	w.WithoutCRL()
	server := w.Issuing.ServeOCSP(t)
	w.Config.Poll = 5 * time.Millisecond
	w.Config.OCSP = revocation.OCSPConfig{Responders: []string{server.URL}, Refresh: time.Second}
	store := w.Open()
	peer := w.Issue(bed.TLA1, bed.AsClient)
	got, _ := bed.Serve(t, w.Party(store, bed.PdT1, bed.AsServer), trust.Want{Usage: bed.AsClient}, bed.Showing(peer))
	require.NoError(t, got.Err)
	bed.Start(t, store)
	w.Issuing.Revoke(peer.Leaf)
	require.Eventually(t, func() bool {
		changed := store.Changed()
		if store.Recheck(got.Peer) != nil {
			return true
		}
		select {
		case <-changed:
		case <-time.After(time.Second):
		}
		return false
	}, bed.Patience, time.Millisecond)
	require.Equal(t, pki.Revoked, pki.ReasonOf(store.Recheck(got.Peer)))
}

// TestC2OwnStaple: our certificate is stapled with its answer, which is enough for a peer without a CRL of leaves.
func TestC2OwnStaple(t *testing.T) {
	w := bed.New(t)
	w.WithoutCRL()
	server := w.Issuing.ServeOCSP(t)
	withOCSP := *w
	withOCSP.Config.Poll = 5 * time.Millisecond
	withOCSP.Config.OCSP.Responders = []string{server.URL}
	fetcher := withOCSP.Open()
	own := w.Issue(bed.PdT1, bed.AsServer)
	stapled := fetcher.Staple(func() *tls.Certificate { return &own })
	require.Empty(t, stapled().OCSPStaple)
	bed.Start(t, fetcher)
	require.Eventually(t, func() bool { return len(stapled().OCSPStaple) > 0 }, bed.Patience, time.Millisecond)
	require.Empty(t, own.OCSPStaple, "the original is left alone")
	got, _ := bed.Dial(t, w.Party(w.Open(), bed.TLA1, bed.AsClient), trust.Want{Usage: bed.AsServer},
		bed.Stranger(*stapled()))
	require.NoError(t, got.Err)

	w.Issuing.Revoke(own.Leaf)
	fetcher.Deny(revocation.Denied{IssuerKeyID: w.Issuing.Cert.SubjectKeyId, Serial: own.Leaf.SerialNumber,
		At: time.Now()})
	require.NotEmpty(t, stapled().OCSPStaple, "our own deny list is no business of the peer's")
}

func TestC2DenyList(t *testing.T) {
	w := bed.New(t)
	peer := w.Issue(bed.TLA1, bed.AsClient)
	file := filepath.Join(t.TempDir(), "deny")
	write := func(lines ...string) {
		require.NoError(t, os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600))
	}
	w.Config.DenyList = file
	_, err := trust.Open(w.Config)
	require.ErrorContains(t, err, "the file does not exist", "one that is configured must exist")
	write("# nobody")
	store := w.Open()
	reason := func() pki.Reason {
		store.Reload()
		_, err := store.Verify(pkitest.Chain(peer), trust.Want{Usage: bed.AsClient})
		return pki.ReasonOf(err)
	}
	require.Empty(t, reason())
	serial := strings.ToUpper(peer.Leaf.SerialNumber.Text(16))
	for _, line := range []string{serial, serial[:2] + ":" + serial[2:] + " # stolen", "00" + serial, bed.TLA1,
		w.Issuing.Cert.SerialNumber.Text(16)} {
		write("", line)
		require.Equal(t, pki.OnDenyList, reason(), line)
	}
	for _, broken := range []string{"urn:tlagate:x", "nobody", "-1", "0", "0x12", "\ufeff" + bed.PdT1} {
		write(broken)
		require.Equal(t, pki.OnDenyList, reason(), "a broken file leaves the old list in force: %s", broken)
	}
	require.NoError(t, os.Remove(file))
	require.Equal(t, pki.OnDenyList, reason(), "and so does one that has gone")
	write(bed.PdT1)
	require.Empty(t, reason())
}

// TestRequestsAreUnderstood: another implementation reads what we ask.
func TestRequestsAreUnderstood(t *testing.T) {
	w := bed.New(t)
	peer := w.Issue(bed.TLA1, bed.AsClient).Leaf
	for hash, der := range revocation.OCSPRequests(w.Issuing.Cert, peer) {
		read, err := ocsp.ParseRequest(der)
		require.NoError(t, err)
		require.Equal(t, hash, read.HashAlgorithm)
		require.Zero(t, peer.SerialNumber.Cmp(read.SerialNumber))
		resp, err := ocsp.ParseResponseForCert(w.Issuing.OCSP(peer, pkitest.OCSPHash(hash)), peer, w.Issuing.Cert)
		require.NoError(t, err)
		require.Equal(t, ocsp.Good, resp.Status)
	}
}

// FuzzOCSPAnswer: whatever a peer staples is read without a panic, and only what the CA's responder signed is believed.
func FuzzOCSPAnswer(f *testing.F) {
	w := bed.New(f)
	trust := w.Open()
	leaf := w.Issue(bed.TLA1, bed.AsClient).Leaf
	signed := [][]byte{
		w.Issuing.OCSP(leaf), w.Issuing.OCSP(leaf, pkitest.OCSPStatus("revoked")),
		w.Issuing.OCSP(leaf, pkitest.OCSPByName(), pkitest.OCSPByCA()),
		w.Issuing.OCSP(leaf, pkitest.OCSPNonce(make([]byte, 32))),
		w.Issuing.OCSP(leaf, pkitest.OCSPAlso(leaf, "unknown", true)),
	}
	for _, seed := range append(signed, w.Issuing.OCSP(leaf, pkitest.OCSPUnknownCritical()), pkitest.OCSPError(3),
		nil) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		ours := slices.ContainsFunc(signed, func(s []byte) bool { return revocation.SignedAlike(s, der) })
		require.True(t, ours || !revocation.Believes(trust.Store, der, w.Issuing.Cert, leaf),
			"an answer that the responder did not sign was believed")
	})
}
