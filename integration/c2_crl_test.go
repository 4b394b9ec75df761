package integration

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/pkitest"
)

// TestC2RevocationList: all certificates are good, but the revocation list that covers them is not. Each row has a
// deployment of its own, in which the gateway refuses any client, and the relay and the PdT refuse the gateway. With a
// good list in place of the bad one, and nothing else changed, all of them accept.
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

// TestC2RevocationListNumber: each program remembers the highest CRLNumber that it has seen, also after a restart, and
// refuses a lower one.
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

// everyoneRefuses asserts that gateway, relay and PdT, which have the same bad revocation list, refuse each other.
func (b *bed) everyoneRefuses(t *testing.T, reason pki.Reason) {
	t.Helper()
	alerted(t, b.sClient(t, opensslKeys(b.TLAKeys).args()...))
	logged(t, b.GatewayProc, 0, "handshake refused", "reason="+string(reason), "peer=claimed")

	b.relayRefuses(t, reason)
	b.pdtRefuses(t, reason)
	logged(t, b.GatewayProc, 0, "peer refused us", "bad certificate", "our certificate")
}

// relayRefuses asserts that a start fails because the relay refuses the gateway; its user and its log learn why.
func (b *bed) relayRefuses(t *testing.T, reason pki.Reason) {
	t.Helper()
	mark := b.RelayProc.Mark()
	why := b.startRefused(t)
	require.Equal(t, "refused", why.Code, "%+v", why)
	require.Equal(t, string(reason), why.Reason, "%+v", why)
	logged(t, b.RelayProc, mark, "attempt failed", "reason="+string(reason), "peer=claimed")
}

// everyoneAccepts asserts that a session comes up.
func (b *bed) everyoneAccepts(t *testing.T) {
	t.Helper()
	hangUp(t, b.GatewayProc)
	hangUp(t, b.RelayProc)
	accepted(t, b.sClient(t, opensslKeys(b.TLAKeys).args()...), "urn:tlagate:")
	b.startPdT(t)
	b.startAccepted(t)
	require.NoError(t, b.PdTProc.Stop())
}
