package integration

import (
	"crypto/x509"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
)

// TestC2GatewayRefusesClient: on the outer link, with openssl as the client. One gateway sees all rows.
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
			logged(t, b.GatewayProc, 0, "handshake refused", "reason="+string(d.reason), "peer=claimed", who)
		})
	}
}
