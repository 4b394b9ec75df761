package pki_test

import (
	"context"
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
)

// ocspLie is one way in which an OCSP answer must not be believed.
type ocspLie struct {
	name   string
	reason pki.Reason
	answer func(w *world, leaf *x509.Certificate) []byte
}

func answering(opts ...pkitest.OCSPOption) func(*world, *x509.Certificate) []byte {
	return func(w *world, leaf *x509.Certificate) []byte { return w.Issuing.OCSP(leaf, opts...) }
}

// signedBy has the answer signed by a responder of the issuing CA with one defect.
func signedBy(opts ...pkitest.Option) func(*world, *x509.Certificate) []byte {
	return func(w *world, leaf *x509.Certificate) []byte {
		return w.Issuing.OCSP(leaf, pkitest.OCSPSignedBy(w.Issuing.Responder(opts...)))
	}
}

// signedElsewhere has it signed by a proper responder of another CA.
func signedElsewhere(ca func(*world) *pkitest.CA) func(*world, *x509.Certificate) []byte {
	return func(w *world, leaf *x509.Certificate) []byte {
		return w.Issuing.OCSP(leaf, pkitest.OCSPSignedBy(ca(w).Responder()))
	}
}

func other(w *world) *x509.Certificate { return w.Issue(pdt1, asClient).Leaf }

var ocspLies = []ocspLie{
	{"not DER", pki.OCSPBad, func(*world, *x509.Certificate) []byte { return []byte("good, I swear") }},
	{"something behind it", pki.OCSPBad, func(w *world, c *x509.Certificate) []byte { return append(w.Issuing.OCSP(c), 0) }},
	{"truncated", pki.OCSPBad, func(w *world, c *x509.Certificate) []byte { return w.Issuing.OCSP(c)[:300] }},
	{"another version", pki.OCSPBad, answering(pkitest.OCSPVersion(1))},
	{"no nextUpdate", pki.OCSPBad, answering(pkitest.OCSPNoNextUpdate())},
	{"ends before it begins", pki.OCSPBad, answering(pkitest.OCSPValid(-time.Minute, -time.Hour))},
	{"produced before it was known", pki.OCSPBad, answering(pkitest.OCSPProduced(-time.Hour))},
	{"unknown critical extension", pki.OCSPBad, answering(pkitest.OCSPUnknownCritical())},
	{"unknown critical extension of the certificate's part", pki.OCSPBad, answering(pkitest.OCSPSingleCritical())},
	{"two nonces", pki.OCSPBad, answering(pkitest.OCSPNonce(make([]byte, 32)), pkitest.OCSPNonce(make([]byte, 32)))},
	{"malformedRequest", pki.OCSPError, func(*world, *x509.Certificate) []byte { return pkitest.OCSPError(1) }},
	{"tryLater", pki.OCSPError, func(*world, *x509.Certificate) []byte { return pkitest.OCSPError(3) }},
	{"unauthorized", pki.OCSPError, func(*world, *x509.Certificate) []byte { return pkitest.OCSPError(6) }},

	{"another certificate", pki.OCSPWrongCertificate, func(w *world, _ *x509.Certificate) []byte { return w.Issuing.OCSP(other(w)) }},
	{"the same serial of another CA", pki.OCSPWrongCertificate, func(w *world, c *x509.Certificate) []byte {
		return w.Issuing.OCSP(c, pkitest.OCSPFor(w.Root.Sub("TEST sister"), c))
	}},
	{"the same serial of another CA of the same name", pki.OCSPWrongCertificate, func(w *world, c *x509.Certificate) []byte {
		return w.Issuing.OCSP(c, pkitest.OCSPFor(pkitest.New(w.t).Issuing, c))
	}},
	{"the right key under another name", pki.OCSPWrongCertificate, answering(pkitest.OCSPOtherName())},
	{"nobody at all", pki.OCSPWrongCertificate, answering(pkitest.OCSPMute())},

	{"stale", pki.OCSPStale, answering(pkitest.OCSPStale())},
	{"from the future", pki.OCSPFuture, answering(pkitest.OCSPFuture())},
	{"produced in the future", pki.OCSPFuture, answering(pkitest.OCSPProduced(time.Hour))},
	{"unknown", pki.OCSPUnknown, answering(pkitest.OCSPStatus("unknown"))},
	{"good and unknown", pki.OCSPUnknown, func(w *world, c *x509.Certificate) []byte {
		return w.Issuing.OCSP(c, pkitest.OCSPAlso(c, "unknown", false))
	}},

	{"no signer in it", pki.OCSPBadSigner, answering(pkitest.OCSPBare())},
	{"a signer that nobody is", pki.OCSPBadSigner, answering(pkitest.OCSPStranger())},
	{"signed by an ordinary client", pki.OCSPBadSigner, func(w *world, c *x509.Certificate) []byte {
		return w.Issuing.OCSP(c, pkitest.OCSPSignedBy(w.Issue(tla1, asClient)))
	}},
	{"signer of another CA", pki.OCSPBadSigner, signedElsewhere(func(w *world) *pkitest.CA { return w.Root.Sub("TEST sister") })},
	{"signer of the root", pki.OCSPBadSigner, signedElsewhere(func(w *world) *pkitest.CA { return w.Root })},
	{"signer of another CA of the same name", pki.OCSPBadSigner, signedElsewhere(func(w *world) *pkitest.CA { return pkitest.New(w.t).Issuing })},
	{"signer with two usages", pki.OCSPBadSigner, signedBy(pkitest.EKU(x509.ExtKeyUsageOCSPSigning, asClient))},
	{"signer for any usage", pki.OCSPBadSigner, signedBy(pkitest.AnyEKU())},
	{"signer without digitalSignature", pki.OCSPBadSigner, signedBy(pkitest.NoDigitalSignature())},
	{"signer is a CA", pki.OCSPBadSigner, signedBy(pkitest.Template(func(c *x509.Certificate) { c.IsCA = true }))},
	{"signer expired", pki.OCSPBadSigner, signedBy(pkitest.Expired())},
	{"signer not yet valid", pki.OCSPBadSigner, signedBy(pkitest.NotYetValid())},
	{"signer with an unknown critical extension", pki.OCSPBadSigner, signedBy(pkitest.UnknownCritical())},
	{"signer with a weak key", pki.OCSPBadSigner, signedBy(pkitest.RSA(1024))},
	{"signer signed with SHA-1", pki.OCSPBadSigner, func(w *world, c *x509.Certificate) []byte {
		return w.Issuing.OCSP(c, pkitest.OCSPSignedBy(w.Issuing.Responder(pkitest.SHA1(w.Issuing))))
	}},
	{"signer that no CRL clears and without nocheck", pki.OCSPBadSigner, func(w *world, c *x509.Certificate) []byte {
		return w.Issuing.OCSP(c, pkitest.OCSPSignedBy(w.Issuing.CheckedResponder()))
	}},
	{"signature spoilt", pki.OCSPBadSignature, answering(pkitest.OCSPBadSignature())},
	{"signed with SHA-1", pki.OCSPBadSignature, answering(pkitest.OCSPSHA1())},
	{"the CA's name on another's signature", pki.OCSPBadSignature, func(w *world, c *x509.Certificate) []byte {
		return w.Issuing.OCSP(c, pkitest.OCSPByCA(), pkitest.OCSPBadSignature())
	}},
	{"nonce of 15 octets", pki.OCSPNonce, answering(pkitest.OCSPNonce(make([]byte, 15)))},
	{"nonce of 129 octets", pki.OCSPNonce, answering(pkitest.OCSPNonce(make([]byte, 129)))},
	{"revoked", pki.Revoked, answering(pkitest.OCSPStatus("revoked"))},
	{"good and revoked", pki.Revoked, func(w *world, c *x509.Certificate) []byte {
		return w.Issuing.OCSP(c, pkitest.OCSPAlso(c, "revoked", false))
	}},
	{"revoked and good", pki.Revoked, func(w *world, c *x509.Certificate) []byte {
		return w.Issuing.OCSP(c, pkitest.OCSPAlso(c, "revoked", true))
	}},
}

// withoutCRL leaves the ARL only: a leaf is good by OCSP or not at all.
func (w *world) withoutCRL() { w.cfg.CRLs = []string{w.files.ARL} }

// TestC2OCSPAnswersThatLie: the same answer stapled, brought by a status record, and fetched; it is the only source.
func TestC2OCSPAnswersThatLie(t *testing.T) {
	for _, lie := range ocspLies {
		t.Run("C2 OCSP "+lie.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.withoutCRL()
			peer := w.Issue(tla1, asClient)
			der := lie.answer(w, peer.Leaf)

			t.Run("stapled", func(t *testing.T) {
				stapled := peer
				stapled.OCSPStaple = der
				got, told := serve(t, w.party(w.open(), pdt1, asServer), pki.Want{Usage: asClient}, showing(stapled))
				require.Equal(t, lie.reason, pki.ReasonOf(got.err), "%v", got.err)
				require.Error(t, told)
			})
			t.Run("status record", func(t *testing.T) {
				trust := w.open()
				_, err := trust.Verify(pkitest.Chain(w.Issue(pdt1, asClient)), pki.Want{Usage: asClient})
				require.Equal(t, pki.CRLMissing, pki.ReasonOf(err))
				err = trust.AddStatus(der)
				_, verdict := trust.Verify(pkitest.Chain(peer), pki.Want{Usage: asClient})
				require.Error(t, verdict)
				if pki.ReasonOf(verdict) == lie.reason {
					return // an authentic answer, or about another
				}
				require.Equal(t, pki.CRLMissing, pki.ReasonOf(verdict), "%v", verdict)
				if lie.reason != pki.OCSPWrongCertificate {
					require.Equal(t, lie.reason, pki.ReasonOf(err), "%v", err)
				}
			})
			t.Run("fetched", func(t *testing.T) {
				server := w.Issuing.ServeOCSP(t)
				server.AnswerRaw(der)
				w := *w
				w.cfg.OCSP.Responders = []string{server.URL}
				_, err := w.open().Verify(pkitest.Chain(peer), pki.Want{Usage: asClient})
				require.Equal(t, lie.reason, pki.ReasonOf(err), "%v", err)
				require.Positive(t, server.Asked())
			})
		})
	}
}

func TestC2OCSPAnswerTooLarge(t *testing.T) {
	w := newWorld(t)
	w.withoutCRL()
	server := w.Issuing.ServeOCSP(t)
	large := make([]byte, 64<<10+1)
	server.AnswerRaw(large)
	w.cfg.OCSP.Responders = []string{server.URL}
	trust := w.open()
	_, err := trust.Verify(pkitest.Chain(w.Issue(tla1, asClient)), pki.Want{Usage: asClient})
	require.Equal(t, pki.OCSPBad, pki.ReasonOf(err), "%v", err)
	require.Equal(t, pki.OCSPBad, pki.ReasonOf(trust.AddStatus(large)))
}

func TestC2OCSPSignedByTheCertificateItself(t *testing.T) {
	w := newWorld(t)
	w.withoutCRL()
	peer := w.Issue(tla1, asClient)
	peer.OCSPStaple = w.Issuing.OCSP(peer.Leaf, pkitest.OCSPSignedBy(peer))
	got, _ := serve(t, w.party(w.open(), pdt1, asServer), pki.Want{Usage: asClient}, showing(peer))
	require.Equal(t, pki.OCSPBadSigner, pki.ReasonOf(got.err), "%v", got.err)
}

// TestC2OCSPAnswersThatAreGood: what must be believed, or the table above proves nothing.
func TestC2OCSPAnswersThatAreGood(t *testing.T) {
	for name, answer := range map[string]func(*world, *x509.Certificate) []byte{
		"delegated":                      answering(),
		"delegated, known by name":       answering(pkitest.OCSPByName()),
		"by the CA":                      answering(pkitest.OCSPByCA()),
		"by the CA, known by name":       answering(pkitest.OCSPByCA(), pkitest.OCSPByName()),
		"SHA-1 certID":                   answering(pkitest.OCSPHash(crypto.SHA1)),
		"SHA-384 certID":                 answering(pkitest.OCSPHash(crypto.SHA384)),
		"SHA-512 certID":                 answering(pkitest.OCSPHash(crypto.SHA512)),
		"RSA responder":                  signedBy(pkitest.RSA(2048)),
		"somebody's nonce":               answering(pkitest.OCSPNonce(make([]byte, 32))),
		"a clock two minutes ahead":      answering(pkitest.OCSPValid(2*time.Minute, time.Hour)),
		"an extension that is no demand": answering(pkitest.OCSPExtension(pkix.Extension{Id: asn1.ObjectIdentifier{2, 999, 77}, Value: []byte{5, 0}})),
		"another's status before it": func(w *world, c *x509.Certificate) []byte {
			return w.Issuing.OCSP(c, pkitest.OCSPAlso(other(w), "revoked", true))
		},
		"another's status behind it": func(w *world, c *x509.Certificate) []byte {
			return w.Issuing.OCSP(c, pkitest.OCSPAlso(other(w), "revoked", false))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.withoutCRL()
			peer := w.Issue(tla1, asClient)
			peer.OCSPStaple = answer(w, peer.Leaf)
			got, told := serve(t, w.party(w.open(), pdt1, asServer), pki.Want{Usage: asClient}, showing(peer))
			require.NoError(t, got.err)
			require.NoError(t, told)
			require.Equal(t, pki.SourceStaple, got.peer.Verdict.Revocation[0].Kind)
			require.Equal(t, pki.SourceCRL, got.peer.Verdict.Revocation[1].Kind)
		})
	}
}

// TestC2OCSPResponderWithoutNoCheck is itself looked up in the CRL.
func TestC2OCSPResponderWithoutNoCheck(t *testing.T) {
	w := newWorld(t)
	responder := w.Issuing.CheckedResponder()
	peer := w.Issue(tla1, asClient)
	peer.OCSPStaple = w.Issuing.OCSP(peer.Leaf, pkitest.OCSPSignedBy(responder))
	trust := w.open()
	judge := w.party(trust, pdt1, asServer)
	got, _ := serve(t, judge, pki.Want{Usage: asClient}, showing(peer))
	require.NoError(t, got.err)
	require.Equal(t, pki.SourceStaple, got.peer.Verdict.Revocation[0].Kind)

	w.Issuing.Revoke(responder.Leaf)
	w.WriteCRLs(w.files)
	trust.Reload()
	got, _ = serve(t, judge, pki.Want{Usage: asClient}, showing(peer))
	require.NoError(t, got.err, "the CRL itself says that the peer is good")
	require.Equal(t, pki.SourceCRL, got.peer.Verdict.Revocation[0].Kind)
}

// TestC2OCSPResponderDenied: the local deny list ends a responder's authority, whatever nocheck says.
func TestC2OCSPResponderDenied(t *testing.T) {
	w := newWorld(t)
	w.withoutCRL()
	responder := w.Issuing.Responder()
	peer := w.Issue(tla1, asClient)
	peer.OCSPStaple = w.Issuing.OCSP(peer.Leaf, pkitest.OCSPSignedBy(responder))
	trust := w.open()
	judge := w.party(trust, pdt1, asServer)
	got, _ := serve(t, judge, pki.Want{Usage: asClient}, showing(peer))
	require.NoError(t, got.err)
	trust.Deny(pki.Denied{IssuerKeyID: w.Issuing.Cert.SubjectKeyId, Serial: responder.Leaf.SerialNumber, Reason: 1, At: time.Now()})
	require.Equal(t, pki.OCSPBadSigner, pki.ReasonOf(trust.Recheck(got.peer)))
	got, _ = serve(t, judge, pki.Want{Usage: asClient}, showing(peer))
	require.Equal(t, pki.OCSPBadSigner, pki.ReasonOf(got.err))
}

func TestC2ServerStaples(t *testing.T) {
	w := newWorld(t)
	w.withoutCRL()
	peer := w.Issue(pdt1, asServer)
	peer.OCSPStaple = w.Issuing.OCSP(peer.Leaf)
	got, _ := dial(t, w.party(w.open(), tla1, asClient), pki.Want{Usage: asServer}, stranger(peer))
	require.NoError(t, got.err)
	require.Equal(t, pki.SourceStaple, got.peer.Verdict.Revocation[0].Kind)
}

func TestC2MustStaple(t *testing.T) {
	w := newWorld(t)
	peer := w.Issue(tla1, asClient, pkitest.MustStaple())
	trust := w.open()
	judge := w.party(trust, pdt1, asServer)
	for name, c := range map[string]struct {
		staple []byte
		reason pki.Reason
	}{
		"C2 must-staple kept":           {w.Issuing.OCSP(peer.Leaf), ""},
		"C2 must-staple, none":          {nil, pki.StapleMissing},
		"C2 must-staple, stale":         {w.Issuing.OCSP(peer.Leaf, pkitest.OCSPStale()), pki.OCSPStale},
		"C2 must-staple, another's":     {w.Issuing.OCSP(other(w)), pki.OCSPWrongCertificate},
		"C2 must-staple, badly signed ": {w.Issuing.OCSP(peer.Leaf, pkitest.OCSPBadSignature()), pki.OCSPBadSignature},
	} {
		t.Run(name, func(t *testing.T) {
			peer := peer
			peer.OCSPStaple = c.staple
			got, _ := serve(t, judge, pki.Want{Usage: asClient}, showing(peer))
			require.Equal(t, c.reason, pki.ReasonOf(got.err), "%v", got.err)
			if c.reason == "" {
				require.NoError(t, trust.Recheck(got.peer))
			}
		})
	}
}

// TestC2OrderOfSources: deny list, staple, cache, OCSP, CRL.
func TestC2OrderOfSources(t *testing.T) {
	w := newWorld(t)
	server := w.Issuing.ServeOCSP(t)
	w.cfg.OCSP.Responders = []string{server.URL}
	peer := w.Issue(tla1, asClient)
	trust := w.open()
	kind := func(c tls.Certificate) string {
		t.Helper()
		got, _ := serve(t, w.party(trust, pdt1, asServer), pki.Want{Usage: asClient}, showing(c))
		require.NoError(t, got.err)
		require.NoError(t, trust.Recheck(got.peer))
		return got.peer.Verdict.Revocation[0].Kind
	}
	require.Equal(t, pki.SourceOCSP, kind(peer))
	require.Equal(t, pki.SourceCache, kind(peer))
	stapled := peer
	stapled.OCSPStaple = w.Issuing.OCSP(peer.Leaf)
	require.Equal(t, pki.SourceStaple, kind(stapled))

	server.Fail(500)
	fresh := w.Issue(tla1, asClient)
	require.Equal(t, pki.SourceCRL, kind(fresh))
	require.NoError(t, trust.AddStatus(w.Issuing.OCSP(fresh.Leaf)))
	require.Equal(t, pki.SourceStatus, kind(fresh))
}

// TestC2RevokedWins: what any source revokes is out, however good the others call it.
func TestC2RevokedWins(t *testing.T) {
	good := func(w *world, c *tls.Certificate) { c.OCSPStaple = w.Issuing.OCSP(c.Leaf) }
	for name, c := range map[string]struct {
		reason pki.Reason
		spoil  func(t *testing.T, w *world, trust *pki.Trust, peer *tls.Certificate)
	}{
		"C2 pushed": {pki.Revoked, func(_ *testing.T, w *world, trust *pki.Trust, peer *tls.Certificate) {
			trust.Deny(pki.Denied{IssuerKeyID: w.Issuing.Cert.SubjectKeyId, Serial: peer.Leaf.SerialNumber, Reason: 1, At: time.Now()})
		}},
		"C2 CA pushed": {pki.CARevoked, func(_ *testing.T, w *world, trust *pki.Trust, _ *tls.Certificate) {
			trust.Deny(pki.Denied{IssuerKeyID: w.Root.Cert.SubjectKeyId, Serial: w.Issuing.Cert.SerialNumber, Reason: 2, At: time.Now()})
		}},
		"C2 CRL": {pki.Revoked, func(_ *testing.T, w *world, trust *pki.Trust, peer *tls.Certificate) {
			w.Issuing.Revoke(peer.Leaf)
			w.WriteCRLs(w.files)
			trust.Reload()
		}},
		"C2 CRL that has gone stale": {pki.Revoked, func(t *testing.T, w *world, trust *pki.Trust, peer *tls.Certificate) {
			w.Issuing.Revoke(peer.Leaf)
			pkitest.WriteCRL(t, w.files.CRL, w.Issuing.CRL(pkitest.CRLStale()))
			trust.Reload()
		}},
		"C2 status record": {pki.Revoked, func(t *testing.T, w *world, trust *pki.Trust, peer *tls.Certificate) {
			require.NoError(t, trust.AddStatus(w.Issuing.OCSP(peer.Leaf, pkitest.OCSPStatus("revoked"))))
		}},
		"C2 older answer that revokes": {pki.Revoked, func(t *testing.T, w *world, trust *pki.Trust, peer *tls.Certificate) {
			require.NoError(t, trust.AddStatus(w.Issuing.OCSP(peer.Leaf, pkitest.OCSPStatus("revoked"), pkitest.OCSPValid(-2*time.Hour, time.Hour))))
		}},
		"C2 staple": {pki.Revoked, func(_ *testing.T, w *world, _ *pki.Trust, peer *tls.Certificate) {
			peer.OCSPStaple = w.Issuing.OCSP(peer.Leaf, pkitest.OCSPStatus("revoked"))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			trust := w.open()
			peer := w.Issue(tla1, asClient)
			good(w, &peer)
			judge := w.party(trust, pdt1, asServer)
			got, _ := serve(t, judge, pki.Want{Usage: asClient}, showing(peer))
			require.NoError(t, got.err)
			c.spoil(t, w, trust, &peer)
			again, _ := serve(t, judge, pki.Want{Usage: asClient}, showing(peer))
			require.Equal(t, c.reason, pki.ReasonOf(again.err), "%v", again.err)
			require.Equal(t, c.reason, pki.ReasonOf(trust.Recheck(got.peer)), "a live peer")
		})
	}
}

func TestC2HoldIsReleased(t *testing.T) {
	w := newWorld(t)
	w.withoutCRL()
	trust := w.open()
	peer := w.Issue(tla1, asClient)
	issuer, serial := w.Issuing.Cert.SubjectKeyId, peer.Leaf.SerialNumber
	verify := func() pki.Reason {
		_, err := trust.Verify(pkitest.Chain(peer), pki.Want{Usage: asClient})
		return pki.ReasonOf(err)
	}
	require.NoError(t, trust.AddStatus(w.Issuing.OCSP(peer.Leaf)))
	_, err := trust.Verify(pkitest.Chain(peer), pki.Want{Usage: asClient})
	require.NoError(t, err)
	changed := trust.Changed()
	trust.Deny(pki.Denied{IssuerKeyID: issuer, Serial: serial, Reason: 6, At: time.Now()})
	requireClosed(t, changed)
	require.Equal(t, pki.Revoked, verify())
	require.NoError(t, trust.AddStatus(w.Issuing.OCSP(peer.Leaf, pkitest.OCSPHold(), pkitest.OCSPValid(-30*time.Second, time.Hour))))
	require.True(t, trust.Allow(issuer, serial))
	require.NotEqual(t, pki.Revoked, verify(), "the answer on hold is forgotten with it")
	require.NoError(t, trust.AddStatus(w.Issuing.OCSP(peer.Leaf)))
	require.Empty(t, verify())

	trust.Deny(pki.Denied{IssuerKeyID: issuer, Serial: serial, Reason: 1, At: time.Now()})
	require.False(t, trust.Allow(issuer, serial), "only a hold is taken back")
	require.Equal(t, pki.Revoked, verify())
}

func requireClosed(t *testing.T, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	default:
		require.Fail(t, "nobody was told of the change")
	}
}

// TestC2StatusBeforeItsCA: a status record may come before the first certificate of its CA.
func TestC2StatusBeforeItsCA(t *testing.T) {
	w := newWorld(t)
	w.withoutCRL()
	trust := w.open()
	peer := w.Issue(tla1, asClient)
	require.NoError(t, trust.AddStatus(w.Issuing.OCSP(peer.Leaf)))
	verdict, err := trust.Verify(pkitest.Chain(peer), pki.Want{Usage: asClient})
	require.NoError(t, err)
	require.Equal(t, pki.SourceStatus, verdict.Revocation[0].Kind)

	liar := w.Issue(tla1, asClient)
	trust = w.open()
	require.NoError(t, trust.AddStatus(w.Issuing.OCSP(liar.Leaf, pkitest.OCSPBadSignature())))
	_, err = trust.Verify(pkitest.Chain(liar), pki.Want{Usage: asClient})
	require.Equal(t, pki.CRLMissing, pki.ReasonOf(err))
}

// TestC2Nonce: sent with 32 octets and wanted back, or not sent.
func TestC2Nonce(t *testing.T) {
	w := newWorld(t)
	w.withoutCRL()
	server := w.Issuing.ServeOCSP(t)
	w.cfg.OCSP = pki.OCSPConfig{Responders: []string{server.URL}, Nonce: true}
	verify := func() error {
		_, err := w.open().Verify(pkitest.Chain(w.Issue(tla1, asClient)), pki.Want{Usage: asClient})
		return err
	}
	require.NoError(t, verify(), "the responder brings it back")
	server.Answer(pkitest.OCSPNoNonce())
	require.Equal(t, pki.OCSPNonce, pki.ReasonOf(verify()))
	server.Answer(pkitest.OCSPNoNonce(), pkitest.OCSPNonce(make([]byte, 32)))
	require.Equal(t, pki.OCSPNonce, pki.ReasonOf(verify()))
	w.cfg.OCSP.Nonce = false
	require.NoError(t, verify(), "another's nonce does no harm when none was sent")
	server.Answer(pkitest.OCSPNoNonce())
	require.NoError(t, verify())
}

// TestC2ResponderGoesAway: nothing breaks until the data is stale; then the refusal says exactly that.
func TestC2ResponderGoesAway(t *testing.T) {
	w := newWorld(t)
	w.withoutCRL()
	server := w.Issuing.ServeOCSP(t)
	now := time.Now()
	w.cfg.Clock = func() time.Time { return now }
	w.cfg.OCSP.Responders = []string{server.URL}
	trust := w.open()
	peer := w.Issue(tla1, asClient)
	got, _ := serve(t, w.party(trust, pdt1, asServer), pki.Want{Usage: asClient}, showing(peer))
	require.NoError(t, got.err)
	server.Fail(503)
	now = now.Add(23 * time.Hour)
	require.NoError(t, trust.Recheck(got.peer))
	now = now.Add(2 * time.Hour)
	require.Equal(t, pki.OCSPStale, pki.ReasonOf(trust.Recheck(got.peer)))
	_, err := trust.Verify(got.peer.Chain, pki.Want{Usage: asClient})
	require.Equal(t, pki.OCSPStale, pki.ReasonOf(err))
	for _, said := range []string{"it ended at", server.URL, "HTTP status 503", "no CRL of"} {
		require.ErrorContains(t, err, said)
	}
}

// TestC2NothingToBeHad names what was tried.
func TestC2NothingToBeHad(t *testing.T) {
	w := newWorld(t)
	w.withoutCRL()
	w.cfg.OCSP.Responders = []string{"http://127.0.0.1:1"}
	_, err := w.open().Verify(pkitest.Chain(w.Issue(tla1, asClient)), pki.Want{Usage: asClient})
	require.Equal(t, pki.OCSPMissing, pki.ReasonOf(err))
	require.ErrorContains(t, err, "http://127.0.0.1:1")
	require.ErrorContains(t, err, "no CRL of")
}

// TestC2SilentResponderIsNotWaitedForTwice: a responder that failed a moment ago costs the next handshake nothing.
func TestC2SilentResponderIsNotWaitedForTwice(t *testing.T) {
	w := newWorld(t)
	server := w.Issuing.ServeOCSP(t)
	server.Fail(500)
	w.cfg.OCSP.Responders = []string{server.URL}
	trust := w.open()
	for range 5 {
		_, err := trust.Verify(pkitest.Chain(w.Issue(tla1, asClient)), pki.Want{Usage: asClient})
		require.NoError(t, err, "the CRL says that it is good")
	}
	require.LessOrEqual(t, server.Asked(), 2)
}

func TestC2ResponderOfTheCertificate(t *testing.T) {
	w := newWorld(t)
	w.withoutCRL()
	server := w.Issuing.ServeOCSP(t)
	peer := w.Issue(tla1, asClient, pkitest.AIA("ldap://x", server.URL))
	_, err := w.open().Verify(pkitest.Chain(peer), pki.Want{Usage: asClient})
	require.Equal(t, pki.CRLMissing, pki.ReasonOf(err), "it is not asked unless configured")
	require.Zero(t, server.Asked())
	w.cfg.OCSP.FromAIA = true
	_, err = w.open().Verify(pkitest.Chain(peer), pki.Want{Usage: asClient})
	require.NoError(t, err)
}

// TestC2ResponderKnowsOneMethod: what refuses GET is asked by POST; what is broken is not asked twice.
func TestC2ResponderKnowsOneMethod(t *testing.T) {
	for status, want := range map[int]pki.Reason{400: "", 404: "", 405: "", 414: "", 501: "", 429: pki.OCSPMissing, 500: pki.OCSPMissing} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			w := newWorld(t)
			w.withoutCRL()
			server, gets := w.Issuing.ServeOCSP(t), atomic.Int64{}
			front := serveHTTP(t, func(rw http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPost {
					server.ServeHTTP(rw, r)
					return
				}
				gets.Add(1)
				rw.WriteHeader(status)
			})
			w.cfg.OCSP.Responders = []string{front}
			_, err := w.open().Verify(pkitest.Chain(w.Issue(tla1, asClient)), pki.Want{Usage: asClient})
			require.Equal(t, want, pki.ReasonOf(err))
			require.Positive(t, gets.Load())
			require.Equal(t, want == "", server.Asked() > 0)
		})
	}
}

// TestC2ResponderMoved: a redirect keeps method and body; a ring of them ends.
func TestC2ResponderMoved(t *testing.T) {
	for status, want := range map[int]pki.Reason{301: "", 302: "", 307: "", 308: "", 303: pki.OCSPMissing} {
		for _, nonce := range []bool{true, false} { // by POST, by GET
			t.Run(fmt.Sprint(status, nonce), func(t *testing.T) {
				w := newWorld(t)
				w.withoutCRL()
				server := w.Issuing.ServeOCSP(t)
				front := serveHTTP(t, func(rw http.ResponseWriter, r *http.Request) {
					http.Redirect(rw, r, server.URL+r.URL.EscapedPath(), status)
				})
				w.cfg.OCSP = pki.OCSPConfig{Responders: []string{front}, Nonce: nonce}
				_, err := w.open().Verify(pkitest.Chain(w.Issue(tla1, asClient)), pki.Want{Usage: asClient})
				require.Equal(t, want, pki.ReasonOf(err))
			})
		}
	}
	t.Run("in a ring", func(t *testing.T) {
		w := newWorld(t)
		w.withoutCRL()
		asked := atomic.Int64{}
		w.cfg.OCSP.Responders = []string{serveHTTP(t, func(rw http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			http.Redirect(rw, r, r.URL.EscapedPath(), http.StatusFound)
		})}
		_, err := w.open().Verify(pkitest.Chain(w.Issue(tla1, asClient)), pki.Want{Usage: asClient})
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

// TestC2SecondResponder: one that is silent, or lies, does not keep the next from being asked.
func TestC2SecondResponder(t *testing.T) {
	w := newWorld(t)
	w.withoutCRL()
	first, second := w.Issuing.ServeOCSP(t), w.Issuing.ServeOCSP(t)
	w.cfg.OCSP.Responders = []string{"http://127.0.0.1:1", first.URL, second.URL}
	first.Answer(pkitest.OCSPBadSignature())
	_, err := w.open().Verify(pkitest.Chain(w.Issue(tla1, asClient)), pki.Want{Usage: asClient})
	require.NoError(t, err)
}

// TestC2RevokedWhileLive: Run asks again, and wakes whoever has live peers; Recheck itself never asks.
func TestC2RevokedWhileLive(t *testing.T) {
	w := newWorld(t)
	w.withoutCRL()
	server := w.Issuing.ServeOCSP(t)
	w.cfg.Poll = 5 * time.Millisecond
	w.cfg.OCSP = pki.OCSPConfig{Responders: []string{server.URL}, Refresh: time.Second}
	trust := w.open()
	peer := w.Issue(tla1, asClient)
	got, _ := serve(t, w.party(trust, pdt1, asServer), pki.Want{Usage: asClient}, showing(peer))
	require.NoError(t, got.err)
	run(t, trust)
	w.Issuing.Revoke(peer.Leaf)
	require.Eventually(t, func() bool {
		changed := trust.Changed()
		if trust.Recheck(got.peer) != nil {
			return true
		}
		select {
		case <-changed:
		case <-time.After(time.Second):
		}
		return false
	}, patience, time.Millisecond)
	require.Equal(t, pki.Revoked, pki.ReasonOf(trust.Recheck(got.peer)))
}

func run(t *testing.T, trust *pki.Trust) {
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = trust.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
}

// TestC2OwnStaple: both sides of a handshake staple their own answer, with CRLs of no leaf.
func TestC2OwnStaple(t *testing.T) {
	w := newWorld(t)
	w.withoutCRL()
	server := w.Issuing.ServeOCSP(t)
	withOCSP := *w
	withOCSP.cfg.Poll = 5 * time.Millisecond
	withOCSP.cfg.OCSP.Responders = []string{server.URL}
	fetcher := withOCSP.open()
	own := w.Issue(pdt1, asServer)
	stapled := fetcher.Staple(func() *tls.Certificate { return &own })
	require.Empty(t, stapled().OCSPStaple)
	run(t, fetcher)
	require.Eventually(t, func() bool { return len(stapled().OCSPStaple) > 0 }, patience, time.Millisecond)
	require.Empty(t, own.OCSPStaple, "the original is left alone")
	got, _ := dial(t, w.party(w.open(), tla1, asClient), pki.Want{Usage: asServer}, stranger(*stapled()))
	require.NoError(t, got.err)

	w.Issuing.Revoke(own.Leaf)
	fetcher.Deny(pki.Denied{IssuerKeyID: w.Issuing.Cert.SubjectKeyId, Serial: own.Leaf.SerialNumber, At: time.Now()})
	require.NotEmpty(t, stapled().OCSPStaple, "our own deny list is no business of the peer's")
}

func TestC2DenyList(t *testing.T) {
	w := newWorld(t)
	peer := w.Issue(tla1, asClient)
	file := filepath.Join(t.TempDir(), "deny")
	write := func(lines ...string) {
		require.NoError(t, os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600))
	}
	w.cfg.DenyList = file
	_, err := pki.OpenTrust(w.cfg)
	require.ErrorContains(t, err, "the file does not exist", "one that is named must be there")
	write("# nobody")
	trust := w.open()
	reason := func() pki.Reason {
		trust.Reload()
		_, err := trust.Verify(pkitest.Chain(peer), pki.Want{Usage: asClient})
		return pki.ReasonOf(err)
	}
	require.Empty(t, reason())
	serial := strings.ToUpper(peer.Leaf.SerialNumber.Text(16))
	for _, line := range []string{serial, serial[:2] + ":" + serial[2:] + " # stolen", "00" + serial, tla1, w.Issuing.Cert.SerialNumber.Text(16)} {
		write("", line)
		require.Equal(t, pki.OnDenyList, reason(), line)
	}
	for _, broken := range []string{"urn:tlagate:x", "nobody", "-1", "0", "0x12", "\ufeff" + pdt1} {
		write(broken)
		require.Equal(t, pki.OnDenyList, reason(), "a broken file keeps the old: %s", broken)
	}
	require.NoError(t, os.Remove(file))
	require.Equal(t, pki.OnDenyList, reason(), "and so does one that has gone")
	write(pdt1)
	require.Empty(t, reason())
}

// TestRequestsAreUnderstood: what we ask is what another implementation reads.
func TestRequestsAreUnderstood(t *testing.T) {
	w := newWorld(t)
	peer := w.Issue(tla1, asClient).Leaf
	for hash, der := range pki.OCSPRequests(w.Issuing.Cert, peer) {
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
	w := newWorld(f)
	trust := w.open()
	leaf := w.Issue(tla1, asClient).Leaf
	signed := [][]byte{
		w.Issuing.OCSP(leaf), w.Issuing.OCSP(leaf, pkitest.OCSPStatus("revoked")), w.Issuing.OCSP(leaf, pkitest.OCSPByName(), pkitest.OCSPByCA()),
		w.Issuing.OCSP(leaf, pkitest.OCSPNonce(make([]byte, 32))), w.Issuing.OCSP(leaf, pkitest.OCSPAlso(leaf, "unknown", true)),
	}
	for _, seed := range append(signed, w.Issuing.OCSP(leaf, pkitest.OCSPUnknownCritical()), pkitest.OCSPError(3), nil) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		ours := slices.ContainsFunc(signed, func(s []byte) bool { return pki.SignedAlike(s, der) })
		require.True(t, ours || !pki.Believes(trust, der, w.Issuing.Cert, leaf), "an answer that nobody signed was believed")
	})
}
