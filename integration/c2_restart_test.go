package integration

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/integration/lab"
	"tlagate/pki"
)

// TestC2PushedOverARestart: a gateway that is started again while the PKI is out of reach still refuses the
// certificates that it was told of, though no list has them; it misses no release from hold that was made meanwhile;
// and it does not start with a file that it cannot read.
//
// Fault: the PKI is away.
func TestC2PushedOverARestart(t *testing.T) {
	b := newPushBed(t)
	b.GatewayTrust.Denials = b.Path("denials.json")
	b.begin(t)
	mark := b.GatewayProc.Mark()
	b.pki(t, "revoke", "--identity", lab.TLA, "--reason", "certificateHold")
	b.isCut(t, mark, lab.TLA, pki.Revoked)

	require.NoError(t, b.push.Proc.Stop())
	require.NoError(t, b.GatewayProc.Stop())
	require.NoError(t, b.StartGateway(b.PushLines(b.push)))
	logged(t, b.GatewayProc, 0, "revocations pushed before are in force", "certificates=1")
	require.Equal(t, "rejected", b.startRefused(t).Code)
	logged(t, b.GatewayProc, 0, "handshake refused", "reason="+string(pki.Revoked), lab.TLA)

	require.NoError(t, b.GatewayProc.Stop())
	b.pki(t, "release", "--identity", lab.TLA)
	require.NoError(t, b.RestartPush(b.push))
	require.NoError(t, b.StartGateway(b.PushLines(b.push)))
	logged(t, b.GatewayProc, 0, "certificate released from hold")
	logged(t, b.GatewayProc, 0, "revocations are pushed")
	logged(t, b.push.Proc, 0, "stream begins", "since=")
	require.Eventually(t, func() bool { return b.relay(t, "start").OK }, patience, 200*time.Millisecond,
		"the PdT is back")

	require.NoError(t, b.GatewayProc.Stop())
	require.NoError(t, os.WriteFile(b.GatewayTrust.Denials, nil, 0o600))
	require.ErrorContains(t, b.StartGateway(b.PushLines(b.push)), "cannot read the revocations that were pushed")
}

// TestC2AnswersOverARestart: a gateway without a CRL that is started again while its responder is away lets in the
// peers that it knew to be good.
//
// Fault: the OCSP responder is away.
func TestC2AnswersOverARestart(t *testing.T) {
	b := newBed(t)
	b.ca.publish(t)
	responder := b.ca.Issuing.ServeOCSP(t)
	b.ocspOnly(&b.GatewayTrust)
	b.GatewayTrust.OCSP, b.GatewayTrust.Answers = []string{responder.URL}, b.Path("answers")
	b.startSession(t)
	require.True(t, b.relay(t, "stop").OK)
	require.NoError(t, b.GatewayProc.Stop())
	responder.Fail(503)
	require.NoError(t, b.StartGateway())
	require.Eventually(t, func() bool { return b.relay(t, "start").OK }, patience, 200*time.Millisecond,
		"the PdT is back")
	alerted(t, b.sClient(t, b.anyTLA("unknown before").args()...))
	logged(t, b.GatewayProc, 0, "handshake refused", "reason="+string(pki.OCSPMissing))
}
