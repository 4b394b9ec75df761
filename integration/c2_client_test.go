package integration

import (
	"crypto/tls"
	"crypto/x509"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/integration/lab"
	"tlagate/pki"
)

// TestC2RelayIsRefused: the real relay shows the gateway each bad certificate; its answer and its log say what is wrong
// with it.
func TestC2RelayIsRefused(t *testing.T) {
	b := newBed(t)
	certs := b.clients(pki.RoleTLA)
	good := readKeys(t, b.TLAKeys)
	b.ca.publish(t)
	require.NoError(t, b.StartGateway())
	require.NoError(t, b.StartRelay())
	t.Run("accepted without a defect", func(t *testing.T) { b.everyoneAccepts(t) })
	for _, d := range certDefects {
		t.Run("C2 "+d.name, func(t *testing.T) {
			b.keys("tla", certs[d.name])
			hangUp(t, b.RelayProc)
			mark := b.RelayProc.Mark()
			why := b.startRefused(t)
			if d.reason == pki.BadIdentity {
				require.Equal(t, "configuration", why.Code, "it must know who it is before it asks for anything")
				return
			}
			require.Equal(t, "rejected", why.Code, "%+v", why)
			require.Equal(t, string(d.reason), why.Reason, "%+v", why)
			require.Contains(t, why.Detail, hints[d.reason])
			_, err := b.Relay("start")
			require.ErrorContains(t, err, "a refusé ce terminal")
			require.NotContains(t, err.Error(), hints[d.reason], "that is for the log")
			logged(t, b.RelayProc, mark, "session not started", "incident="+why.Incident, hints[d.reason])
			logged(t, b.RelayProc, mark, "attempt failed", "code=rejected", "reason="+string(d.reason))
			logged(t, b.GatewayProc, 0, "handshake refused", "reason="+string(d.reason),
				identityFor(pki.RoleTLA, d.name))
		})
	}
	t.Run("accepted again", func(t *testing.T) {
		b.keys("tla", good)
		b.everyoneAccepts(t)
	})
}

// TestC2PdTIsRefused: the real PdT shows the gateway each bad client certificate.
func TestC2PdTIsRefused(t *testing.T) {
	b := newBed(t)
	certs := b.clients(pki.RolePdT)
	good := b.ClientKeys
	b.ca.publish(t)
	require.NoError(t, b.StartGateway())
	for _, d := range certDefects {
		t.Run("C2 "+d.name, func(t *testing.T) {
			who := identityFor(pki.RolePdT, d.name)
			b.ClientKeys = b.keys("pdt-client-bad", certs[d.name])
			b.ServerKeys = b.keys("pdt-server-of-it", b.ca.Issue(who, x509.ExtKeyUsageServerAuth))
			require.NoError(t, b.LaunchPdT())
			defer func() { require.NoError(t, b.PdTProc.Stop()) }()
			if d.reason == pki.BadIdentity {
				logged(t, b.PdTProc, 0, "cannot use the client certificate")
				return
			}
			logged(t, b.PdTProc, 0, "no link to the gateway", "reason=rejected", hints[d.reason])
			logged(t, b.GatewayProc, 0, "handshake refused", "reason="+string(d.reason), who)
		})
	}
	t.Run("accepted without a defect", func(t *testing.T) {
		b.ClientKeys, b.ServerKeys = good, b.keys("pdt-server", b.ca.Issue(lab.PdT, x509.ExtKeyUsageServerAuth))
		b.startPdT(t)
	})
}

// clients makes a client's certificate for each row. It must be called before publish.
func (b *bed) clients(role pki.Role) map[string]tls.Certificate {
	certs := map[string]tls.Certificate{}
	for _, d := range certDefects {
		certs[d.name] = d.make(b.ca, identityFor(role, d.name), x509.ExtKeyUsageClientAuth)
	}
	return certs
}
