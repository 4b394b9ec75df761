package integration

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/pkitest"
)

// TestC2RevocationList: all certificates are good, and the revocation list that speaks of them is not. Each row has a
// deployment of its own, in which the gateway refuses any client, and the relay and the PdT refuse the gateway. With a
// good list in the place of the bad one, and nothing else changed, all of them accept.
func TestC2RevocationList(t *testing.T) {
	t.Parallel()
	for _, d := range crlDefects {
		t.Run("C2 CRL "+d.name, func(t *testing.T) {
			b := newBed(t)
			b.ca.publish(t)
			d.publish(t, b.ca)
			b.start(t)
			b.everyoneRefuses(t, d.reason)
			b.ca.publish(t)
			b.everyoneAccepts(t)
		})
	}
}

// TestC2RevocationListNumber: each program keeps the highest CRLNumber it has seen over its restart, and then refuses a
// lower one.
func TestC2RevocationListNumber(t *testing.T) {
	b := newBed(t)
	b.GatewayTrust.State, b.PdTTrust.State, b.TLATrust.State = b.Path("gateway.numbers"), b.Path("pdt.numbers"),
		b.Path("tla.numbers")
	old := b.ca.Issuing.CRL()
	b.ca.publish(t)
	b.start(t)
	b.everyoneAccepts(t)
	b.stop(t)

	pkitest.WriteCRL(t, b.ca.files.CRL, old)
	t.Run("C2 CRL number gone back", func(t *testing.T) {
		b.start(t)
		b.everyoneRefuses(t, pki.CRLNumberBack)
	})
	t.Run("C2 CRL number risen", func(t *testing.T) {
		b.ca.publish(t)
		b.everyoneAccepts(t)
	})
}

// everyoneRefuses: gateway, relay and PdT have the same bad revocation list.
func (b *bed) everyoneRefuses(t *testing.T, reason pki.Reason) {
	t.Helper()
	alerted(t, b.sClient(t, opensslKeys(b.TLAKeys).args()...))
	logged(t, b.GatewayProc, 0, "handshake refused", "reason="+string(reason), "peer=claimed")

	b.relayRefuses(t, reason)
	b.pdtRefuses(t, reason)
	logged(t, b.GatewayProc, 0, "peer refused us", "bad certificate", "our certificate")
}

// relayRefuses: a start must fail because the relay refuses the gateway; its user and its log know why.
func (b *bed) relayRefuses(t *testing.T, reason pki.Reason) {
	t.Helper()
	mark := b.RelayProc.Mark()
	why := b.startRefused(t)
	require.Equal(t, "refused", why.Code, "%+v", why)
	require.Equal(t, string(reason), why.Reason, "%+v", why)
	logged(t, b.RelayProc, mark, "attempt failed", "reason="+string(reason), "peer=claimed")
}

// everyoneAccepts: a session comes up.
func (b *bed) everyoneAccepts(t *testing.T) {
	t.Helper()
	hangUp(t, b.GatewayProc)
	hangUp(t, b.RelayProc)
	accepted(t, b.sClient(t, opensslKeys(b.TLAKeys).args()...), "urn:tlagate:")
	b.startPdT(t)
	b.startAccepted(t)
	require.NoError(t, b.PdTProc.Stop())
}
