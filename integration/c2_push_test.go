package integration

import (
	"net"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/integration/lab"
	"tlagate/integration/world"
	"tlagate/pki"
)

// pushBed is a deployment whose CA, a tla-pki, tells the gateway of revocations. Every program has copies of the first
// lists and sees no later one: what it learns, it was told.
type pushBed struct {
	*bed
	push *lab.Push
}

func newPushBed(t *testing.T) *pushBed {
	t.Helper()
	l := layLab(t)
	b := &pushBed{bed: &bed{Lab: l, t: t}}
	first := b.freeze(t, "first")
	b.GatewayTrust.CRLs, b.PdTTrust.CRLs, b.TLATrust.CRLs = b.freeze(t, "gateways"), first, first
	b.push = startPush(t, l)
	return b
}

// startPush starts the lab's PKI server, which ends before the lab does.
func startPush(t *testing.T, l *lab.Lab) *lab.Push {
	t.Helper()
	p, err := l.StartPush()
	require.NoError(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("tla-pki serve:\n  %s", strings.Join(p.Proc.Lines(), "\n  "))
		}
		require.NoError(t, p.Proc.Stop())
	})
	return p
}

// freeze copies the lists that are published now, to files of whose.
func (b *pushBed) freeze(t *testing.T, whose string) (files []string) {
	t.Helper()
	for _, name := range []string{"crl.pem", "arl.pem"} {
		data, err := os.ReadFile(b.Path("pki/public/" + name))
		require.NoError(t, err)
		file := b.Path(whose + "-" + name)
		require.NoError(t, os.WriteFile(b.Path("new-"+name), data, 0o644))
		require.NoError(t, os.Rename(b.Path("new-"+name), file))
		files = append(files, file)
	}
	return files
}

// begin starts everything, and a session.
func (b *pushBed) begin(t *testing.T) {
	t.Helper()
	b.startSession(t, b.PushLines(b.push))
	logged(t, b.GatewayProc, 0, "revocations are pushed", "peer="+lab.PKI)
}

func (b *pushBed) pki(t *testing.T, command string, args ...string) {
	t.Helper()
	_, err := b.PKI(command, args...)
	require.NoError(t, err)
}

// whoami asks the gateway with curl.
func (b *pushBed) whoami(t *testing.T) string {
	t.Helper()
	out, err := world.Run(patience, nil, "curl", "--silent", "--show-error", "--http1.1", "--cacert",
		b.GatewayTrust.Anchor,
		"--cert", b.TLAKeys.Cert, "--key", b.TLAKeys.Key, "https://"+b.Named(b.GatewayAddr)+"/v1/whoami")
	require.NoError(t, err)
	return out
}

// isCut waits for the session's end, and asserts that the user is told that a certificate is no longer accepted.
func (b *pushBed) isCut(t *testing.T, mark int, peer string, reason pki.Reason) {
	t.Helper()
	logged(t, b.GatewayProc, mark, "link cut", "reason="+string(reason), "peer="+peer)
	last := b.waitEnd(t)
	require.Equal(t, "notice", last.Code, "%+v", last)
	require.Equal(t, "revoked", last.Reason, "%+v", last)
}

// TestC2RevokedByPush: `tla-pki revoke` cuts the session although no list that a program reads has changed.
func TestC2RevokedByPush(t *testing.T) {
	t.Parallel()
	t.Run("C2 TLA on hold, released, revoked", func(t *testing.T) {
		b := newPushBed(t)
		b.begin(t)
		require.Contains(t, b.whoami(t), `"pushed":true`)

		mark := b.GatewayProc.Mark()
		b.pki(t, "revoke", "--identity", lab.TLA, "--reason", "certificateHold")
		b.isCut(t, mark, lab.TLA, pki.Revoked)
		require.Equal(t, "rejected", b.startRefused(t).Code)
		logged(t, b.GatewayProc, mark, "handshake refused", "reason="+string(pki.Revoked), lab.TLA)

		b.pki(t, "release", "--identity", lab.TLA)
		logged(t, b.GatewayProc, mark, "certificate released from hold")
		b.startAccepted(t)

		b.pki(t, "revoke", "--identity", lab.TLA, "--reason", "keyCompromise", "--no-crl")
		logged(t, b.GatewayProc, mark, "certificate denied", "why=keyCompromise")
		require.Equal(t, "rejected", b.startRefused(t).Code)
	})
	t.Run("C2 declared server certificate of the PdT", func(t *testing.T) {
		b := newPushBed(t)
		b.begin(t)
		mark := b.GatewayProc.Mark()
		b.pki(t, "revoke", "--cert", b.ServerKeys.Cert, "--reason", "keyCompromise")
		b.isCut(t, mark, lab.PdT, pki.Revoked)
	})
	t.Run("C2 issuing CA", func(t *testing.T) {
		b := newPushBed(t)
		b.begin(t)
		mark := b.GatewayProc.Mark()
		b.pki(t, "revoke", "--cert", b.Path("pki/public/issuing.crt"), "--reason", "cACompromise")
		logged(t, b.GatewayProc, mark, "link cut", "reason="+string(pki.CARevoked))
		last := b.waitEnd(t)
		require.Equal(t, "revoked", last.Reason, "%+v", last)
	})
}

// TestC2PushLost: without the stream, the lists bring a revocation later; when it is back, it brings what was missed.
//
// Fault: the PKI is away.
func TestC2PushLost(t *testing.T) {
	b := newPushBed(t)
	b.begin(t)
	mark := b.GatewayProc.Mark()
	require.NoError(t, b.push.Proc.Stop())
	logged(t, b.GatewayProc, mark, "revocations are not pushed")
	require.Contains(t, b.whoami(t), `"pushed":false`)

	t.Run("C2 the CRL cuts", func(t *testing.T) {
		b.pki(t, "revoke", "--identity", lab.TLA, "--reason", "keyCompromise")
		require.Equal(t, "up", b.relay(t, "status").Status.State)
		b.freeze(t, "gateways") // no other program may be the first to see it
		b.isCut(t, mark, lab.TLA, pki.Revoked)
	})
	t.Run("C2 what was missed is told", func(t *testing.T) {
		mark := b.GatewayProc.Mark()
		require.NoError(t, b.RestartPush(b.push))
		logged(t, b.GatewayProc, mark, "told of a revocation", lab.TLA)
		logged(t, b.GatewayProc, mark, "revocations are pushed")
	})
}

// TestC2NewListIsFetched: a list that the stream announces is fetched, long before the next refresh.
func TestC2NewListIsFetched(t *testing.T) {
	b := newPushBed(t)
	_, port, err := net.SplitHostPort(b.push.Public)
	require.NoError(t, err)
	b.GatewayTrust.CRLs = []string{"http://localhost:" + port + "/crl.der", "http://localhost:" + port + "/arl.der"}
	b.begin(t)
	mark := b.GatewayProc.Mark()
	b.pki(t, "revoke", "--identity", lab.TLA, "--reason", "keyCompromise")
	b.isCut(t, mark, lab.TLA, pki.Revoked)
	logged(t, b.GatewayProc, mark, "CRL loaded", "number=2", "entries=1")
}
