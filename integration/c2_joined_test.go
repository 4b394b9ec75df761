package integration

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/integration/lab"
	"tlagate/pki"
	"tlagate/pki/pkitest"
)

// TestC2JoinedAnyway: the real relay and the real PdT are joined by a gateway that looks at no certificate. Each
// refuses every bad certificate of the other in the card session's handshake, and the one that is refused says what it
// can know.
func TestC2JoinedAnyway(t *testing.T) {
	b := newBed(t)
	tlas, pdts := b.clients(pki.RoleTLA), map[string]tls.Certificate{}
	for _, d := range certDefects {
		pdts[d.name] = d.make(b.ca, lab.PdT, x509.ExtKeyUsageServerAuth)
	}
	goodTLA, goodPdT := readKeys(t, b.TLAKeys), readKeys(t, b.ServerKeys)
	b.ca.publish(t)
	p := newPromiscuous(t, b)
	require.NoError(t, b.StartRelay())
	b.startPdT(t)
	p.set(func() { p.open = p.joinAny(lab.TLA) })
	t.Run("accepted without a defect", func(t *testing.T) { b.startAccepted(t) })

	for _, d := range certDefects {
		if d.reason == pki.BadIdentity {
			continue // neither program starts, or asks for anything, without knowing who it is
		}
		t.Run("C2 PdT refuses the TLA, "+d.name, func(t *testing.T) {
			who := identityFor(pki.RoleTLA, d.name)
			p.set(func() { p.open = p.joinAny(who) })
			b.keys("tla", tlas[d.name])
			hangUp(t, b.RelayProc)
			why := b.startRefused(t)
			require.Equal(t, "rejected", why.Code, "%+v", why)
			require.Equal(t, string(d.reason), why.Reason, "%+v", why)
			require.Equal(t, lab.PdT, why.Peer)
			require.Contains(t, why.Detail, hints[d.reason])
			logged(t, b.PdTProc, 0, "TLA refused", "reason="+string(d.reason), "peer=claimed", who)
		})
	}
	b.keys("tla", goodTLA)
	hangUp(t, b.RelayProc)
	p.set(func() { p.open = p.joinAny(lab.TLA) })
	for _, d := range certDefects {
		if d.reason == pki.BadIdentity {
			continue
		}
		t.Run("C2 TLA refuses the PdT, "+d.name, func(t *testing.T) {
			b.keys("pdt-server", pdts[d.name])
			b.restartPdT(t, p)
			mark := b.PdTProc.Mark()
			why := b.startRefused(t)
			require.Equal(t, "refused", why.Code, "%+v", why)
			require.Equal(t, string(d.reason), why.Reason, "%+v", why)
			logged(t, b.PdTProc, mark, "the TLA refused us", "reason=rejected", hints[d.reason])
		})
	}
	t.Run("C2 TLA refuses the PdT, another than the one asked for", func(t *testing.T) {
		b.keys("pdt-server", b.ca.Issue("urn:tlagate:"+lab.Practice+":pdt:comptoir", x509.ExtKeyUsageServerAuth))
		hangUp(t, b.PdTProc)
		p.forgetParked(t) // the PdT parks others
		mark := b.PdTProc.Mark()
		why := b.startRefused(t)
		require.Equal(t, string(pki.WrongPeer), why.Reason, "%+v", why)
		logged(t, b.PdTProc, mark, "the TLA refused us", "reason=rejected", "looks right from here")
	})
	t.Run("accepted again", func(t *testing.T) {
		b.keys("pdt-server", goodPdT)
		b.restartPdT(t, p)
		b.startAccepted(t)
	})
}

// restartPdT makes the PdT park links with its present certificate: a link that was parked earlier shows the one that
// was declared then.
func (b *bed) restartPdT(t *testing.T, p *promiscuous) {
	t.Helper()
	require.NoError(t, b.PdTProc.Stop())
	p.forgetParked(t)
	b.startPdT(t)
}

// TestC2InnerRevocationList: the gateway's certificate is of another CA, whose lists are good; those of the TLA's and
// the PdT's own CA are not. Each refuses the other in the card session's handshake, until there is a good list.
func TestC2InnerRevocationList(t *testing.T) {
	t.Parallel()
	for _, d := range crlDefects {
		t.Run("C2 CRL "+d.name, func(t *testing.T) {
			b := newBed(t)
			b.gatewayOfAnotherCA()
			p := newPromiscuous(t, b)
			b.ca.publish(t)
			d.publish(t, b.ca)
			require.NoError(t, b.StartRelay())
			b.startPdT(t)

			mark := b.PdTProc.Mark()
			requireAlert(t, p.playTLA(t, b, readKeys(t, b.TLAKeys), lab.TLA))
			logged(t, b.PdTProc, mark, "TLA refused", "reason="+string(d.reason), "peer=claimed", lab.TLA)

			p.set(func() { p.open = playPdT(readKeys(t, b.ServerKeys)) })
			why := b.startRefused(t)
			require.Equal(t, "refused", why.Code, "%+v", why)
			require.Equal(t, string(d.reason), why.Reason, "%+v", why)
			require.Equal(t, lab.PdT, why.Peer)

			b.ca.publish(t)
			hangUp(t, b.PdTProc)
			hangUp(t, b.RelayProc)
			require.NoError(t, p.playTLA(t, b, readKeys(t, b.TLAKeys), lab.TLA))
			b.startAccepted(t)
		})
	}
}

// gatewayOfAnotherCA gives the gateway a certificate of an operator's CA, which relay and PdT trust as well.
func (b *bed) gatewayOfAnotherCA() {
	operator := pkitest.NewNamed(b.t, "operator")
	dir := filepath.Join(b.Dir, "operator")
	require.NoError(b.t, os.Mkdir(dir, 0o700))
	files := operator.WriteTrust(dir)
	b.GatewayKeys = b.keys("gateway", operator.Issue(lab.Gateway, x509.ExtKeyUsageServerAuth, named))
	both := lab.Trust{Anchor: filepath.Join(dir, "both.pem"), CRLs: append(files.CRLs(), b.ca.files.CRLs()...)}
	pkitest.WriteCertificates(b.t, both.Anchor, operator.Root.Cert, b.ca.Root.Cert)
	b.PdTTrust, b.TLATrust = both, both
}
