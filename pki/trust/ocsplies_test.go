package trust_test

import (
	"crypto/x509"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/pkitest"
	"tlagate/pki/pkitest/bed"
	"tlagate/pki/trust"
)

// ocspLie is one way in which an OCSP answer must not be believed.
type ocspLie struct {
	name   string
	reason pki.Reason
	answer func(w *bed.World, leaf *x509.Certificate) []byte
}

// signedElsewhere returns a function that makes an answer signed by a proper responder of another CA.
func signedElsewhere(ca func(*bed.World) *pkitest.CA) func(*bed.World, *x509.Certificate) []byte {
	return func(w *bed.World, leaf *x509.Certificate) []byte {
		return w.Issuing.OCSP(leaf, pkitest.OCSPSignedBy(ca(w).Responder()))
	}
}

var ocspLies = []ocspLie{
	{"not DER", pki.OCSPBad, func(*bed.World, *x509.Certificate) []byte { return []byte("good, I swear") }},
	{"something behind it", pki.OCSPBad,
		func(w *bed.World, c *x509.Certificate) []byte { return append(w.Issuing.OCSP(c), 0) }},
	{"truncated", pki.OCSPBad, func(w *bed.World, c *x509.Certificate) []byte { return w.Issuing.OCSP(c)[:300] }},
	{"another version", pki.OCSPBad, bed.Answering(pkitest.OCSPVersion(1))},
	{"no nextUpdate", pki.OCSPBad, bed.Answering(pkitest.OCSPNoNextUpdate())},
	{"ends before it begins", pki.OCSPBad, bed.Answering(pkitest.OCSPValid(-time.Minute, -time.Hour))},
	{"produced before it was known", pki.OCSPBad, bed.Answering(pkitest.OCSPProduced(-time.Hour))},
	{"unknown critical extension", pki.OCSPBad, bed.Answering(pkitest.OCSPUnknownCritical())},
	{"unknown critical extension of the certificate's part", pki.OCSPBad, bed.Answering(pkitest.OCSPSingleCritical())},
	{"two nonces", pki.OCSPBad, bed.Answering(pkitest.OCSPNonce(make([]byte, 32)),
		pkitest.OCSPNonce(make([]byte, 32)))},
	{"malformedRequest", pki.OCSPError, func(*bed.World, *x509.Certificate) []byte { return pkitest.OCSPError(1) }},
	{"tryLater", pki.OCSPError, func(*bed.World, *x509.Certificate) []byte { return pkitest.OCSPError(3) }},
	{"unauthorized", pki.OCSPError, func(*bed.World, *x509.Certificate) []byte { return pkitest.OCSPError(6) }},

	{"another certificate", pki.OCSPWrongCertificate, func(w *bed.World, _ *x509.Certificate) []byte {
		return w.Issuing.OCSP(bed.Other(w))
	}},
	{"the same serial of another CA", pki.OCSPWrongCertificate, func(w *bed.World, c *x509.Certificate) []byte {
		return w.Issuing.OCSP(c, pkitest.OCSPFor(w.Root.Sub("TEST sister"), c))
	}},
	{"the same serial of another CA of the same name", pki.OCSPWrongCertificate,
		func(w *bed.World, c *x509.Certificate) []byte {
			return w.Issuing.OCSP(c, pkitest.OCSPFor(pkitest.New(w.T).Issuing, c))
		}},
	{"the right key under another name", pki.OCSPWrongCertificate, bed.Answering(pkitest.OCSPOtherName())},
	{"nobody at all", pki.OCSPWrongCertificate, bed.Answering(pkitest.OCSPMute())},

	{"stale", pki.OCSPStale, bed.Answering(pkitest.OCSPStale())},
	{"from the future", pki.OCSPFuture, bed.Answering(pkitest.OCSPFuture())},
	{"produced in the future", pki.OCSPFuture, bed.Answering(pkitest.OCSPProduced(time.Hour))},
	{"unknown", pki.OCSPUnknown, bed.Answering(pkitest.OCSPStatus("unknown"))},
	{"good and unknown", pki.OCSPUnknown, func(w *bed.World, c *x509.Certificate) []byte {
		return w.Issuing.OCSP(c, pkitest.OCSPAlso(c, "unknown", false))
	}},

	{"no signer in it", pki.OCSPBadSigner, bed.Answering(pkitest.OCSPBare())},
	{"a signer that nobody is", pki.OCSPBadSigner, bed.Answering(pkitest.OCSPStranger())},
	{"signed by an ordinary client", pki.OCSPBadSigner, func(w *bed.World, c *x509.Certificate) []byte {
		return w.Issuing.OCSP(c, pkitest.OCSPSignedBy(w.Issue(bed.TLA1, bed.AsClient)))
	}},
	{"signer of another CA", pki.OCSPBadSigner,
		signedElsewhere(func(w *bed.World) *pkitest.CA { return w.Root.Sub("TEST sister") })},
	{"signer of the root", pki.OCSPBadSigner, signedElsewhere(func(w *bed.World) *pkitest.CA { return w.Root })},
	{"signer of another CA of the same name", pki.OCSPBadSigner,
		signedElsewhere(func(w *bed.World) *pkitest.CA { return pkitest.New(w.T).Issuing })},
	{"signer with two usages", pki.OCSPBadSigner, bed.SignedBy(pkitest.EKU(x509.ExtKeyUsageOCSPSigning, bed.AsClient))},
	{"signer for any usage", pki.OCSPBadSigner, bed.SignedBy(pkitest.AnyEKU())},
	{"signer without digitalSignature", pki.OCSPBadSigner, bed.SignedBy(pkitest.NoDigitalSignature())},
	{"signer is a CA", pki.OCSPBadSigner, bed.SignedBy(pkitest.Template(func(c *x509.Certificate) { c.IsCA = true }))},
	{"signer expired", pki.OCSPBadSigner, bed.SignedBy(pkitest.Expired())},
	{"signer not yet valid", pki.OCSPBadSigner, bed.SignedBy(pkitest.NotYetValid())},
	{"signer with an unknown critical extension", pki.OCSPBadSigner, bed.SignedBy(pkitest.UnknownCritical())},
	{"signer with a weak key", pki.OCSPBadSigner, bed.SignedBy(pkitest.RSA(1024))},
	{"signer signed with SHA-1", pki.OCSPBadSigner, func(w *bed.World, c *x509.Certificate) []byte {
		return w.Issuing.OCSP(c, pkitest.OCSPSignedBy(w.Issuing.Responder(pkitest.SHA1(w.Issuing))))
	}},
	{"signer that no CRL clears and without nocheck", pki.OCSPBadSigner,
		func(w *bed.World, c *x509.Certificate) []byte {
			return w.Issuing.OCSP(c, pkitest.OCSPSignedBy(w.Issuing.CheckedResponder()))
		}},
	{"signature spoilt", pki.OCSPBadSignature, bed.Answering(pkitest.OCSPBadSignature())},
	{"signed with SHA-1", pki.OCSPBadSignature, bed.Answering(pkitest.OCSPSHA1())},
	{"the CA's name on another's signature", pki.OCSPBadSignature, func(w *bed.World, c *x509.Certificate) []byte {
		return w.Issuing.OCSP(c, pkitest.OCSPByCA(), pkitest.OCSPBadSignature())
	}},
	{"nonce of 15 octets", pki.OCSPNonce, bed.Answering(pkitest.OCSPNonce(make([]byte, 15)))},
	{"nonce of 129 octets", pki.OCSPNonce, bed.Answering(pkitest.OCSPNonce(make([]byte, 129)))},
	{"revoked", pki.Revoked, bed.Answering(pkitest.OCSPStatus("revoked"))},
	{"good and revoked", pki.Revoked, func(w *bed.World, c *x509.Certificate) []byte {
		return w.Issuing.OCSP(c, pkitest.OCSPAlso(c, "revoked", false))
	}},
	{"revoked and good", pki.Revoked, func(w *bed.World, c *x509.Certificate) []byte {
		return w.Issuing.OCSP(c, pkitest.OCSPAlso(c, "revoked", true))
	}},
}

// TestC2OCSPAnswersThatLie: each answer is refused when it is stapled, brought by a status record, and fetched, as the
// only source.
func TestC2OCSPAnswersThatLie(t *testing.T) {
	for _, lie := range ocspLies {
		t.Run("C2 OCSP "+lie.name, func(t *testing.T) {
			t.Parallel()
			w := bed.New(t)
			w.WithoutCRL()
			peer := w.Issue(bed.TLA1, bed.AsClient)
			der := lie.answer(w, peer.Leaf)

			t.Run("stapled", func(t *testing.T) {
				stapled := peer
				stapled.OCSPStaple = der
				got, told := bed.Serve(t, w.Party(w.Open(), bed.PdT1, bed.AsServer), trust.Want{Usage: bed.AsClient},
					bed.Showing(stapled))
				require.Equal(t, lie.reason, pki.ReasonOf(got.Err), "%v", got.Err)
				require.Error(t, told)
			})
			t.Run("status record", func(t *testing.T) {
				store := w.Open()
				_, err := store.Verify(pkitest.Chain(w.Issue(bed.PdT1, bed.AsClient)), trust.Want{Usage: bed.AsClient})
				require.Equal(t, pki.CRLMissing, pki.ReasonOf(err))
				err = store.AddStatus(der)
				_, verdict := store.Verify(pkitest.Chain(peer), trust.Want{Usage: bed.AsClient})
				require.Error(t, verdict)
				if pki.ReasonOf(verdict) == lie.reason {
					return // an authentic answer, or one about another certificate
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
				w.Config.OCSP.Responders = []string{server.URL}
				_, err := w.Open().Verify(pkitest.Chain(peer), trust.Want{Usage: bed.AsClient})
				require.Equal(t, lie.reason, pki.ReasonOf(err), "%v", err)
				require.Positive(t, server.Asked())
			})
		})
	}
}
