package integration

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/integration/world"
	"tlagate/pki"
)

// TestG2DevicesRenewAtASuccessor: once another issuing CA has taken the place of theirs, gateway, PdT and terminal
// renew there over EST, with the certificates that they have, each in its own way. A session goes on meanwhile, and
// others begin when the old CA's responder is gone.
func TestG2DevicesRenewAtASuccessor(t *testing.T) {
	b := newBoxBed(t)
	b.enrolGateway(t)
	b.enrolDevices(t)
	require.NoError(t, b.GatewayProc.Stop())
	next, err := b.Succeed(b.pki)
	require.NoError(t, err)
	t.Cleanup(func() {
		for _, p := range []*world.Process{next.Proc, next.OCSPProc} {
			require.NoError(t, p.Stop())
		}
	})
	b.GatewayTrust.CRLs = append(b.GatewayTrust.CRLs, b.Path("next/public/crl.pem"))
	b.GatewayTrust.OCSP = append(b.GatewayTrust.OCSP, next.Responder)
	b.pki.EST = next.EST
	files := []string{b.GatewayKeys.Cert, b.Path("own-gateway-client.crt"), b.ClientKeys.Cert, b.ServerKeys.Cert,
		b.TLAKeys.Cert}
	for _, f := range files {
		require.NotEqual(t, b.issuerIn("next"), issuerOf(t, f), f)
	}

	require.NoError(t, b.StartGateway(b.gatewayLines(t, renewAtOnce)...))
	require.NoError(t, b.StartPdT(renewAtOnce))
	require.NoError(t, b.StartRelay(renewAtOnce))
	require.True(t, b.relay(t, "start").OK)
	for _, f := range files {
		b.renewedAt(t, "next", f)
	}
	require.Equal(t, "up", b.relay(t, "status").Status.State, "the session that it renewed in")
	require.True(t, b.relay(t, "stop").OK)
	require.NoError(t, b.OCSPProc.Stop())
	b.startAccepted(t)
}

// renewedAt waits until a file has a certificate of the CA in a directory.
func (b *boxBed) renewedAt(t *testing.T, dir, file string) {
	t.Helper()
	before := serial(t, file)
	if issuerOf(t, file) != b.issuerIn(dir) {
		renewed(t, file, before)
	}
	require.Equal(t, b.issuerIn(dir), issuerOf(t, file), file)
}

func issuerOf(t *testing.T, file string) string {
	t.Helper()
	certs, err := pki.ReadCertificates(file)
	require.NoError(t, err)
	return string(certs[0].AuthorityKeyId)
}

func (b *boxBed) issuerIn(dir string) string {
	certs, err := pki.ReadCertificates(b.Path(dir + "/public/issuing.crt"))
	require.NoError(b.t, err)
	return string(certs[0].SubjectKeyId)
}
