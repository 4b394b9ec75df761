package integration

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"tlagate/audit"
	"tlagate/integration/lab"
	"tlagate/pki/pkitest"
)

// TestSA2GatewayTrace: with the real programs, who came, who was refused, and what became of the session is in the
// gateway's trace, which is one chain.
func TestSA2GatewayTrace(t *testing.T) {
	b := newBed(t)
	b.ca.publish(t)
	file := b.Path("gateway-audit.jsonl")
	require.NoError(t, b.StartGateway("audit: "+file))
	require.NoError(t, b.StartRelay())
	b.startPdT(t)
	b.startAccepted(t)
	b.waitTraced(t, file, "session.ended")
	opened, ended := lastOf(t, file, "session.opened"), lastOf(t, file, "session.ended")
	require.Equal(t, []string{lab.TLA, lab.PdT, "127.0.0.1"},
		[]string{opened.With["identity"], opened.With["pdt"], opened.With["address"]})
	require.Equal(t, opened.With["session"], ended.With["session"])
	require.NotContains(t, []string{"", "0"}, ended.With["from_tla"])
	require.Equal(t, opened.With["session"], lastOf(t, file, "consent.accepted").With["session"])
	require.Equal(t, "crl", lastOf(t, file, "access.accepted").With["source"])

	expired := b.ca.Issue(lab.TLA, x509.ExtKeyUsageClientAuth, pkitest.Expired())
	mark := b.GatewayProc.Mark()
	alerted(t, b.sClient(t, opensslKeys(b.keys("expired", expired)).args()...))
	logged(t, b.GatewayProc, mark, "handshake refused", "reason=expired")
	b.waitTraced(t, file, "access.refused")
	refused := lastOf(t, file, "access.refused")
	require.Equal(t, map[string]string{"reason": "expired", "peer": lab.TLA, "address": "127.0.0.1",
		"serial": expired.Leaf.SerialNumber.Text(16)}, refused.With)

	require.NoError(t, b.GatewayProc.Stop())
	events, _ := traced(t, file, 0)
	kinds := kindsOf(events)
	require.Equal(t, []string{"host.baseline", "program.start", "config.loaded"}, kinds[:3])
	require.Equal(t, "program.stop", kinds[len(kinds)-1])
	out, err := b.Run("tla-gateway", "audit", "verify", "--file", file)
	require.NoError(t, err, out)
}

// waitTraced waits until a trace has a line of a kind.
func (b *bed) waitTraced(t *testing.T, file string, kind string) {
	t.Helper()
	require.Eventually(t, func() bool {
		events, _ := traced(t, file, 0)
		return slices.Contains(kindsOf(events), kind)
	}, patience, 20*time.Millisecond, kind)
}

// lastOf returns the last line of a kind.
func lastOf(t *testing.T, file string, kind string) (last audit.Entry) {
	t.Helper()
	events, _ := traced(t, file, 0)
	for _, e := range events {
		if string(e.Event) == kind {
			last = e
		}
	}
	require.Equal(t, kind, string(last.Event))
	return last
}

// TestSA2NoRoomForTheTrace: while the gateway's trace has no room on its disk but its reserve, the session that runs
// goes on, and its end is recorded; the user is told why no other begins; and all goes well again by itself once there
// is room.
//
// Fault: a disk is full.
func TestSA2NoRoomForTheTrace(t *testing.T) {
	b := newBed(t)
	b.ca.publish(t)
	disk := b.Path("disk")
	require.NoError(t, os.Mkdir(disk, 0o700))
	require.NoError(t, unix.Mount("tmpfs", disk, "tmpfs", 0, "size=160k"))
	t.Cleanup(func() { require.NoError(t, unix.Unmount(disk, unix.MNT_DETACH)) })
	file := filepath.Join(disk, "audit.jsonl")
	require.NoError(t, b.StartGateway("audit: {file: "+file+", reserve: 64KiB}"))
	require.NoError(t, b.StartRelay())
	b.startPdT(t)
	require.True(t, b.relay(t, "start").OK)

	filler := filepath.Join(disk, "filler")
	require.ErrorIs(t, os.WriteFile(filler, make([]byte, 1<<20), 0o600), unix.ENOSPC)
	require.Equal(t, "up", b.relay(t, "status").Status.State)
	require.True(t, b.relay(t, "stop").OK)
	b.waitTraced(t, file, "session.ended")
	why := b.startsUntilRefused(t) // what is left of the last page may be enough for one more
	require.Equal(t, []string{"problem", "trace_full"}, []string{why.Code, why.Reason})
	logged(t, b.GatewayProc, 0, "no session begins", "trace_full")

	require.NoError(t, os.Remove(filler))
	b.waitIdle(t)
	b.startAccepted(t)
	b.waitTraced(t, file, "request.refused")
	require.Equal(t, "trace_full", lastOf(t, file, "request.refused").With["code"])
	require.NoError(t, b.GatewayProc.Stop())
	_, err := audit.VerifyFile(file)
	require.NoError(t, err)
}

func (b *bed) startsUntilRefused(t *testing.T) relayWhy {
	t.Helper()
	for {
		b.waitIdle(t)
		a := b.relay(t, "start")
		if !a.OK {
			return *a.Error
		}
		require.True(t, b.relay(t, "stop").OK)
	}
}
