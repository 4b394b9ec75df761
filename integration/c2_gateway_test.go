package integration

import (
	"crypto/x509"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
)

// TestC2GatewayRefusesClient: the outer link, any client by openssl. One gateway sees all rows.
func TestC2GatewayRefusesClient(t *testing.T) {
	b := newBed(t)
	keys := map[string]opensslKeys{}
	for _, d := range certDefects {
		id := identityFor(pki.RoleTLA, d.name)
		keys[d.name] = opensslKeys(b.keys("client-"+slug(d.name), d.make(b.ca, id, x509.ExtKeyUsageClientAuth)))
	}
	b.ca.publish(t)
	require.NoError(t, b.StartGateway())

	t.Run("accepted without a defect", func(t *testing.T) {
		for _, k := range []opensslKeys{opensslKeys(b.TLAKeys), opensslKeys(b.ClientKeys)} {
			accepted(t, b.sClient(t, k.args()...), "urn:tlagate:")
		}
	})
	for _, d := range certDefects {
		t.Run("C2 "+d.name, func(t *testing.T) {
			t.Parallel()
			alerted(t, b.sClient(t, keys[d.name].args()...))
			who := identityFor(pki.RoleTLA, d.name)
			if d.reason == pki.BadIdentity {
				who = "no readable identity"
			}
			logged(t, b.GatewayProc, 0, "reason="+string(d.reason), who)
		})
	}
}

// TestC2GatewayRefusesByCRL: the certificate is good and its CA's revocation list is not. Each row has a gateway of its own;
// with a good list in the place of the bad one the same client is accepted.
func TestC2GatewayRefusesByCRL(t *testing.T) {
	for _, d := range crlDefects {
		t.Run("C2 CRL "+d.name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t)
			b.ca.publish(t)
			d.publish(t, b.ca)
			require.NoError(t, b.StartGateway())
			client := opensslKeys(b.TLAKeys).args()
			alerted(t, b.sClient(t, client...))
			logged(t, b.GatewayProc, 0, "reason="+string(d.reason), "peer=")

			b.ca.publish(t)
			hangUp(t, b.GatewayProc)
			accepted(t, b.sClient(t, client...), "urn:tlagate:")
		})
	}
}
