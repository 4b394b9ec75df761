package integration

import (
	"crypto/x509"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/integration/lab"
	"tlagate/integration/world"
	"tlagate/pki"
	"tlagate/pki/pkitest"
	"tlagate/session/link"
)

// Revocation by OCSP, by CRL and by deny list, each alone, with the real programs (C2).

// ocspLie is one way in which a responder's answer must not be believed.
type ocspLie struct {
	name   string
	reason pki.Reason
	answer []pkitest.OCSPOption
	signer func(*c2PKI) *pkitest.CA // whose responder signs; nil = the right CA's
	raw    []byte                   // instead of an answer
}

var ocspLies = []ocspLie{
	{name: "revoked", reason: pki.Revoked, answer: ocspWith(pkitest.OCSPStatus("revoked"))},
	{name: "unknown", reason: pki.OCSPUnknown, answer: ocspWith(pkitest.OCSPStatus("unknown"))},
	{name: "stale", reason: pki.OCSPStale, answer: ocspWith(pkitest.OCSPStale())},
	{name: "from the future", reason: pki.OCSPFuture, answer: ocspWith(pkitest.OCSPFuture())},
	{name: "without nextUpdate", reason: pki.OCSPBad, answer: ocspWith(pkitest.OCSPNoNextUpdate())},
	{name: "unknown critical extension", reason: pki.OCSPBad, answer: ocspWith(pkitest.OCSPUnknownCritical())},
	{name: "signed by the responder of a stranger", reason: pki.OCSPBadSigner, signer: func(w *c2PKI) *pkitest.CA {
		return w.stranger.Issuing
	}},
	{name: "signed by the responder of the root", reason: pki.OCSPBadSigner, signer: func(w *c2PKI) *pkitest.CA {
		return w.Root
	}},
	{name: "bad signature", reason: pki.OCSPBadSignature, answer: ocspWith(pkitest.OCSPBadSignature())},
	{name: "about nobody", reason: pki.OCSPWrongCertificate, answer: ocspWith(pkitest.OCSPMute())},
	{name: "with a short nonce", reason: pki.OCSPNonce, answer: ocspWith(pkitest.OCSPNonce([]byte("short")))},
	{name: "tryLater", reason: pki.OCSPError, raw: pkitest.OCSPError(3)},
}

func ocspWith(o ...pkitest.OCSPOption) []pkitest.OCSPOption { return o }

// ocspOnly takes the issuing CA's CRL from programs: OCSP alone can show that its leaves are good.
func (b *bed) ocspOnly(trusts ...*lab.Trust) {
	for _, t := range trusts {
		t.CRLs = []string{b.ca.files.ARL}
	}
}

// anyTLA issues a TLA's certificate for one row.
func (b *bed) anyTLA(row string, o ...pkitest.Option) opensslKeys {
	return opensslKeys(b.keys("tla-"+slug(row), b.ca.Issue(identityFor(pki.RoleTLA, row), x509.ExtKeyUsageClientAuth,
		o...)))
}

// TestC2OCSPAnswersThatLie: the only source of the gateway is a responder that lies.
func TestC2OCSPAnswersThatLie(t *testing.T) {
	b := newBed(t)
	b.ca.publish(t)
	responder := b.ca.Issuing.ServeOCSP(t)
	b.ocspOnly(&b.GatewayTrust)
	b.GatewayTrust.OCSP = []string{responder.URL}
	require.NoError(t, b.StartGateway())
	good := func(t *testing.T, row string) {
		responder.Answer()
		out := b.sClient(t, b.anyTLA(row).args()...)
		accepted(t, out, "urn:tlagate:")
		require.Contains(t, out, `"status":"good"`)
	}
	good(t, "before")
	for _, lie := range ocspLies {
		t.Run("C2 OCSP "+lie.name, func(t *testing.T) {
			responder.Answer(lie.answer...)
			if lie.signer != nil {
				responder.Answer(pkitest.OCSPSignedBy(lie.signer(b.ca).Responder()))
			}
			if lie.raw != nil {
				responder.AnswerRaw(lie.raw)
			}
			alerted(t, b.sClient(t, b.anyTLA("ocsp "+lie.name).args()...))
			logged(t, b.GatewayProc, 0, "handshake refused", "reason="+string(lie.reason),
				identityFor(pki.RoleTLA, "ocsp "+lie.name))
		})
	}
	good(t, "after")
	t.Run("C2 OCSP silent", func(t *testing.T) {
		responder.Fail(503)
		alerted(t, b.sClient(t, b.anyTLA("ocsp silent").args()...))
		logged(t, b.GatewayProc, 0, "handshake refused", "reason="+string(pki.OCSPMissing),
			identityFor(pki.RoleTLA, "ocsp silent"))
	})
}

// TestC2DenyList: what the operator denies is refused at once, and accepted again when the line is removed; when the
// file is broken, the list of before stays in force.
func TestC2DenyList(t *testing.T) {
	b := newBed(t)
	b.ca.publish(t)
	b.GatewayTrust.DenyList = b.Path("denied")
	deny := func(text string) { require.NoError(t, os.WriteFile(b.Path("denied"), []byte(text+"\n"), 0o600)) }
	deny("# nobody")
	require.NoError(t, b.StartGateway())
	require.NoError(t, b.StartRelay())
	b.startPdT(t)
	require.True(t, b.relay(t, "start").OK)

	t.Run("C2 a live session is cut", func(t *testing.T) {
		deny(lab.TLA)
		logged(t, b.GatewayProc, 0, "reason="+string(pki.OnDenyList), lab.TLA)
		b.waitIdle(t)
	})
	refused := func(t *testing.T, row string) {
		mark := b.GatewayProc.Mark()
		require.Equal(t, "rejected", b.startRefused(t).Code)
		logged(t, b.GatewayProc, mark, "handshake refused", "reason="+string(pki.OnDenyList), lab.TLA)
	}
	t.Run("C2 a new start is refused", func(t *testing.T) { refused(t, "named") })
	t.Run("C2 a broken list keeps the old", func(t *testing.T) {
		deny("nonsense")
		logged(t, b.GatewayProc, 0, "cannot read the deny list")
		refused(t, "broken")
	})
	t.Run("accepted again", func(t *testing.T) {
		mark := b.GatewayProc.Mark()
		deny("# nobody")
		logged(t, b.GatewayProc, mark, "deny list loaded")
		b.startAccepted(t)
	})
}

// TestC2MustStaple: a certificate that promises a staple and comes without one is refused.
func TestC2MustStaple(t *testing.T) {
	b := newBed(t)
	b.ca.publish(t)
	require.NoError(t, b.StartGateway())
	alerted(t, b.sClient(t, b.anyTLA("must staple", pkitest.MustStaple()).args()...))
	logged(t, b.GatewayProc, 0, "handshake refused", "reason="+string(pki.StapleMissing),
		identityFor(pki.RoleTLA, "must staple"))
}

// TestC2ResponderGoesAway: with OCSP alone, nothing breaks while the answers are in date; then live sessions are cut
// and new ones refused, and the log says exactly that.
func TestC2ResponderGoesAway(t *testing.T) {
	b := newBed(t)
	b.ca.publish(t)
	responder := b.ca.Issuing.ServeOCSP(t)
	responder.Answer(pkitest.OCSPValid(-time.Minute, 30*time.Second))
	b.ocspOnly(&b.GatewayTrust)
	b.GatewayTrust.OCSP = []string{responder.URL}
	require.NoError(t, b.StartGateway())
	require.NoError(t, b.StartRelay())
	b.startPdT(t)
	require.True(t, b.relay(t, "start").OK)
	responder.Fail(503)
	b.startedAgain(t)
	line := logged(t, b.GatewayProc, 0, "reason="+string(pki.OCSPStale))
	require.Contains(t, line, "it ended at")
	require.Contains(t, line, "HTTP status 503")
	logged(t, b.GatewayProc, 0, "revocation data not renewed")
	b.waitIdle(t)
	b.rejectedAtLast(t)
}

// rejectedAtLast waits until the TLA is refused in the handshake: the OCSP answers about gateway, PdT and TLA end one
// after the other, and until the TLA's has ended, the TLA is let in and finds no PdT.
func (b *bed) rejectedAtLast(t *testing.T) {
	t.Helper()
	require.NoError(t, world.Poll(patience, "the TLA to be refused in the handshake", func() error {
		if code := b.startRefused(t).Code; code != "rejected" {
			return fmt.Errorf("it was not: %s", code)
		}
		return nil
	}))
}

// startedAgain stops the session that is up and starts another.
func (b *bed) startedAgain(t *testing.T) {
	t.Helper()
	require.True(t, b.relay(t, "stop").OK)
	require.True(t, b.relay(t, "start").OK)
}

// TestC2RevokedByOCSPAlone: after a revocation the live session is cut and a new start refused with the reason,
// although no CRL has it and nothing is pushed.
func TestC2RevokedByOCSPAlone(t *testing.T) {
	b := newBed(t)
	b.ca.publish(t)
	responder := b.ca.Issuing.ServeOCSP(t)
	b.ocspOnly(&b.GatewayTrust)
	b.GatewayTrust.OCSP = []string{responder.URL}
	require.NoError(t, b.StartGateway())
	require.NoError(t, b.StartRelay())
	b.startPdT(t)
	require.True(t, b.relay(t, "start").OK)
	b.revokeAndCut(t, func() {})
}

// TestC2RevokedByCRLAlone: the same without a responder; the new list reaches the gateway alone.
func TestC2RevokedByCRLAlone(t *testing.T) {
	b := newBed(t)
	b.ca.publish(t)
	old := []string{b.Path("old-root.crl"), b.Path("old-issuing.crl")}
	pkitest.WriteCRL(t, old[0], b.ca.Root.CRL())
	pkitest.WriteCRL(t, old[1], b.ca.Issuing.CRL())
	b.PdTTrust.CRLs, b.TLATrust.CRLs = old, old
	require.NoError(t, b.StartGateway())
	require.NoError(t, b.StartRelay())
	b.startPdT(t)
	require.True(t, b.relay(t, "start").OK)
	b.revokeAndCut(t, func() { b.ca.publish(t) })
}

func (b *bed) revokeAndCut(t *testing.T, publish func()) {
	t.Helper()
	cert, err := pki.ReadCertificates(b.TLAKeys.Cert)
	require.NoError(t, err)
	b.ca.Issuing.Revoke(cert[0])
	publish()
	logged(t, b.GatewayProc, 0, "reason="+string(pki.Revoked), lab.TLA)
	b.waitIdle(t)
	last := b.relay(t, "status").Status.Last
	require.Equal(t, "notice", last.Code, "%+v", last)
	require.Equal(t, "revoked", last.Reason, "%+v", last)
	mark := b.GatewayProc.Mark()
	require.Equal(t, "rejected", b.startRefused(t).Code)
	logged(t, b.GatewayProc, mark, "handshake refused", "reason="+string(pki.Revoked), lab.TLA)
}

// TestC2TLAWithoutCRL: relay and PdT have a root and an ARL, but no CRL of leaves. What they lack comes stapled, and in
// status records, through the gateway, which alone asks the responder.
func TestC2TLAWithoutCRL(t *testing.T) {
	b := newBed(t)
	b.ca.publish(t)
	responder := b.ca.Issuing.ServeOCSP(t)
	responder.Answer(pkitest.OCSPValid(-time.Minute, 20*time.Second))
	b.ocspOnly(&b.GatewayTrust, &b.PdTTrust, &b.TLATrust)
	b.GatewayTrust.OCSP = []string{responder.URL}
	b.TLATrust.ARL, b.TLATrust.CRLs = b.Path("received-arl.pem"), []string{b.Path("first-arl.pem")}
	pkitest.WriteCRL(t, b.Path("first-arl.pem"), b.ca.Root.CRL())
	require.NoError(t, b.StartGateway("limits: {recheck: 1s}"))
	b.waitStaple(t)
	require.NoError(t, b.StartRelay())
	b.startPdT(t)

	t.Run("a session starts, and outlives its first answers", func(t *testing.T) {
		require.True(t, b.relay(t, "start").OK)
		until := time.Now().Add(25 * time.Second)
		require.Eventually(t, func() bool {
			return time.Now().After(until) ||
				b.relay(t, "status").Status.State != "up"
		}, time.Minute, time.Second)
		require.Equal(t, "up", b.relay(t, "status").Status.State)
	})
	t.Run("a newer ARL reaches the relay, and stays", func(t *testing.T) {
		pkitest.WriteCRL(t, b.ca.files.ARL, b.ca.Root.CRL())
		require.Eventually(t, func() bool { _, err := os.Stat(b.TLATrust.ARL); return err == nil }, patience,
			50*time.Millisecond)
		require.True(t, b.relay(t, "stop").OK)
		require.NoError(t, b.RelayProc.Stop())
		pkitest.WriteCRL(t, b.Path("first-arl.pem"), b.ca.Root.CRL(pkitest.CRLStale(), pkitest.CRLNumber(0)))
		require.NoError(t, b.StartRelay())
		b.startAccepted(t)
	})
	t.Run("C2 the TLA's certificate revoked", func(t *testing.T) {
		require.True(t, b.relay(t, "start").OK)
		b.revokeAndCut(t, func() {})
	})
}

// waitStaple waits until the gateway staples an answer about itself.
func (b *bed) waitStaple(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		return strings.Contains(b.sClient(t, append(opensslKeys(b.TLAKeys).args(), "-status")...),
			"OCSP Response Status: successful")
	}, patience, 100*time.Millisecond)
}

// TestC2TLAWithoutCRLNorStatus: without what the gateway brings, the same relay and PdT refuse everything.
func TestC2TLAWithoutCRLNorStatus(t *testing.T) {
	b := newBed(t)
	b.ca.publish(t)
	b.ocspOnly(&b.TLATrust)
	require.NoError(t, b.StartGateway())
	require.NoError(t, b.StartRelay())
	b.relayRefuses(t, pki.CRLMissing)
}

// TestC2ResponderOfOurs: the same with our own CA and responder. Only the gateway asks tla-ocsp; PdT and TLA have the
// root and the ARL; tla-pki revokes.
func TestC2ResponderOfOurs(t *testing.T) {
	l := layLab(t)
	b := &bed{Lab: l, t: t}
	url, err := l.StartOCSP()
	require.NoError(t, err)
	for _, trust := range []*lab.Trust{&l.GatewayTrust, &l.PdTTrust, &l.TLATrust} {
		trust.CRLs = []string{l.Path("pki/public/arl.pem")}
	}
	l.GatewayTrust.OCSP = []string{url}
	require.NoError(t, l.StartGateway("limits: {recheck: 1s}"))
	require.NoError(t, l.StartRelay())
	b.startPdT(t)
	require.Eventually(t, func() bool { return b.relay(t, "start").OK }, patience, 200*time.Millisecond,
		"as soon as the gateway staples")

	t.Run("C2 nothing breaks while the responder is away", func(t *testing.T) {
		require.NoError(t, l.OCSPProc.Stop())
		b.startedAgain(t)
		_, err := l.StartOCSP()
		require.NoError(t, err)
	})
	t.Run("C2 revoked", func(t *testing.T) {
		require.NoError(t, l.Revoke(lab.TLA))
		logged(t, l.GatewayProc, 0, "reason="+string(pki.Revoked), lab.TLA, "says the OCSP answer of http://"+
			l.OCSPAddr)
		b.waitIdle(t)
		require.Equal(t, "revoked", b.relay(t, "status").Status.Last.Reason)
		mark := l.GatewayProc.Mark()
		require.Equal(t, "rejected", b.startRefused(t).Code)
		logged(t, l.GatewayProc, mark, "handshake refused", "reason="+string(pki.Revoked), lab.TLA)
	})
}

// TestC2GatewayThatLiesAboutStatus: what the gateway brings is believed only if the CA has signed it. Lies are refused
// and logged, and do no other harm; broken framing ends the link.
func TestC2GatewayThatLiesAboutStatus(t *testing.T) {
	b := newBed(t)
	b.ca.publish(t)
	server := readKeys(t, b.ServerKeys)
	leaf := pkitest.Chain(server)[0]
	p := newPromiscuous(t, b)
	require.NoError(t, b.StartRelay())
	start := func(t *testing.T, say func(*link.Conn) error) relayAnswer {
		p.set(func() {
			p.open = func(l *link.Conn, by joinedBy) error {
				if err := say(l); err != nil {
					return err
				}
				return playPdT(server)(l, by)
			}
		})
		return b.relay(t, "start")
	}
	for name, lie := range map[string]struct {
		piece  link.Status
		reason pki.Reason
	}{
		"no answer at all": {link.Status{DER: []byte("good")}, pki.OCSPBad},
		"revoked, says a stranger": {link.Status{DER: b.ca.Issuing.OCSP(leaf, pkitest.OCSPStatus("revoked"),
			pkitest.OCSPSignedBy(b.ca.stranger.Issuing.Responder()))}, pki.OCSPBadSigner},
		"a CRL of leaves":        {link.Status{ARL: true, DER: b.ca.Issuing.CRL()}, pki.CRLWrongIssuer},
		"an ARL from the future": {link.Status{ARL: true, DER: b.ca.Root.CRL(pkitest.CRLFuture())}, pki.CRLFuture},
		"an ARL of a stranger":   {link.Status{ARL: true, DER: b.ca.stranger.Root.CRL()}, pki.CRLWrongIssuer},
		"an ARL with a bad seal": {link.Status{ARL: true, DER: b.ca.Root.CRL(pkitest.CRLBadSignature())},
			pki.CRLBadSignature},
		"an answer that is stale": {link.Status{DER: b.ca.Issuing.OCSP(leaf, pkitest.OCSPStale())}, pki.OCSPStale},
	} {
		t.Run("C2 "+name, func(t *testing.T) {
			mark := b.RelayProc.Mark()
			a := start(t, func(l *link.Conn) error { return l.WriteStatus([]link.Status{lie.piece}) })
			require.True(t, a.OK, "%+v", a.Error)
			logged(t, b.RelayProc, mark, "status record refused", "reason="+string(lie.reason))
			require.True(t, b.relay(t, "stop").OK)
		})
	}
	t.Run("C2 broken framing", func(t *testing.T) {
		a := start(t, func(l *link.Conn) error { return l.WriteRecord(link.TypeStatus, []byte{1, 0xff, 0xff}) })
		require.False(t, a.OK)
	})
	t.Run("C2 revoked, and true", func(t *testing.T) {
		a := start(t, func(l *link.Conn) error {
			return l.WriteStatus([]link.Status{{DER: b.ca.Issuing.OCSP(leaf, pkitest.OCSPStatus("revoked"))}})
		})
		require.False(t, a.OK)
		require.Equal(t, "refused", a.Error.Code, "%+v", a.Error)
		require.Equal(t, string(pki.Revoked), a.Error.Reason)
	})
}
