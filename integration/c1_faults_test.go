package integration

import (
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"tlagate/audit"
	"tlagate/integration/crowd"
	"tlagate/integration/lab"
	"tlagate/integration/world"
	"tlagate/tla"
)

// Faults of docs/operate.md that no other file here is about.

// TestC2ThePdTDies: the PdT's program is killed in the middle of a command. Its session is over, since what programs
// saw of the cards is gone, and the user is told; once it is back, the user starts another. No command runs twice.
//
// Fault: a Poste de Travail dies.
func TestC2ThePdTDies(t *testing.T) {
	b := newLostBed(t, quickTimers)
	b.send(200 * time.Millisecond)
	b.PdTProc.Kill()
	b.waitState(tla.StateReconnecting)
	require.NoError(t, b.StartPdT("heartbeat: "+quickHeartbeat.String()))
	b.waitState(tla.StateIdle)
	last := relayStatus(t, b.Lab).Last
	require.Equal(t, []string{string(tla.CodePdT), "gone"}, []string{string(last.Code), last.Reason})
	startSession(t, b.Lab)
	b.program = startClient(t, b.PdTReaders)
	b.connect()
	twice, _ := b.tally()
	require.Zero(t, twice)
}

// TestC1FilesRunOut: strangers take all the files that the gateway may have open. The session goes on, the gateway
// makes room for who is served by sending the silent away, and when they have gone nothing is missing from its trace.
//
// Fault: a gateway's files run out.
func TestC1FilesRunOut(t *testing.T) {
	b := newBed(t)
	b.ca.publish(t)
	trace := b.Path("gateway-audit.jsonl")
	b.startSession(t, "audit: "+trace)
	mark := b.GatewayProc.Mark()
	mayOpen(t, b.GatewayProc, 6)
	flood := crowd.StartFlood(b.GatewayAddr, 40, 8)
	defer flood.Stop()
	logged(t, b.GatewayProc, mark, "cannot accept a connection; trying again", "too many open files")
	require.Eventually(t, func() bool {
		out, err := world.Run(patience, nil, "curl", "--silent", "--max-time", "20", "--cacert", b.ca.files.Anchor,
			"--cert", b.TLAKeys.Cert, "--key", b.TLAKeys.Key, "https://"+b.Named(b.GatewayAddr)+"/v1/whoami")
		return err == nil && len(out) > 0
	}, patience, 100*time.Millisecond, "a device is served")
	require.Equal(t, "up", b.relay(t, "status").Status.State)

	flood.Stop()
	require.True(t, b.relay(t, "stop").OK)
	b.waitTraced(t, trace, string(audit.SessionEnded))
	require.Eventually(t, func() bool { return b.relay(t, "start").OK }, patience, 200*time.Millisecond)
	require.NoError(t, b.GatewayProc.Stop())
	_, err := audit.VerifyFile(trace)
	require.NoError(t, err)
	events, _ := traced(t, trace, 0)
	require.NotContains(t, kindsOf(events), string(audit.AuditGap))
}

// mayOpen lets a program have so many files open besides those that it has.
func mayOpen(t *testing.T, p *world.Process, more int) {
	t.Helper()
	files, err := os.ReadDir("/proc/" + strconv.Itoa(p.PID()) + "/fd")
	require.NoError(t, err)
	var limit unix.Rlimit
	require.NoError(t, unix.Prlimit(p.PID(), unix.RLIMIT_NOFILE, nil, &limit))
	limit.Cur = uint64(len(files) + more)
	require.NoError(t, unix.Prlimit(p.PID(), unix.RLIMIT_NOFILE, &limit, nil))
}

// TestC2NamesAreGone: the gateway cannot look up the names of its PKI, nor the PdT that of the gateway. Sessions go on
// and begin by what is at hand; log and metrics tell; and all is well by itself when names are answered again.
//
// Fault: names are not answered (DNS).
func TestC2NamesAreGone(t *testing.T) {
	b := newPushBed(t)
	here := netip.MustParseAddr("127.0.0.1")
	resolver := newResolver(t, b.Lab, here.String())
	b.PdTOver, b.GatewayOver = b.RelayOver, b.RelayOver
	named := net.JoinHostPort(lab.GatewayName, port(b.GatewayAddr))
	b.PdTVia, b.TLAVia = []string{named}, []string{named}
	b.GatewayTrust.CRLs = nil
	for _, list := range []string{"crl.der", "arl.der"} {
		b.GatewayTrust.CRLs = append(b.GatewayTrust.CRLs,
			"http://"+net.JoinHostPort(lab.GatewayName, port(b.push.Public))+"/"+list)
	}
	line, scrapeIt := meter(t)
	b.startSession(t, line)
	up := `tlagate_revocation_source_up{kind="crl",of="peers",source="` + b.GatewayTrust.CRLs[0] + `"}`
	becomes(t, scrapeIt, up, is(1))

	require.NoError(t, b.push.Proc.Stop()) // or the gateway would go on with the connection that it has
	resolver.Answer(netip.Addr{})
	require.NoError(t, b.RestartPush(b.push))
	require.NoError(t, b.GatewayProc.Signal(syscall.SIGHUP))
	becomes(t, scrapeIt, up, is(0))
	logged(t, b.GatewayProc, 0, "cannot read CRL", lab.GatewayName)
	require.Equal(t, "up", b.relay(t, "status").Status.State)
	require.NoError(t, b.PdTProc.Stop())
	require.NoError(t, b.LaunchPdT())
	logged(t, b.PdTProc, 0, "no link to the gateway", named)

	resolver.Answer(here)
	b.waitIdle(t)
	require.Eventually(t, func() bool { return b.relay(t, "start").OK }, patience, 200*time.Millisecond)
	becomes(t, scrapeIt, up, is(1))
}
