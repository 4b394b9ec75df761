package integration

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
	"tlagate/integration/world"
)

// TestSA2KeepHoldPurge: a hold keeps the gateway from purging what is older than a year, until it is released while the
// gateway runs. Then it is purged, a day at a start, signed with the gateway's key, and the chain begins after it. A
// gateway that is killed goes on with the same chain.
func TestSA2KeepHoldPurge(t *testing.T) {
	l := layLab(t)
	file := l.Path("gateway-audit.jsonl")
	old := agedTrace(t, file)
	require.NoError(t, old.Hold(audit.User("uid 0"), "case 17"))
	setting := "audit: {file: " + file + ", keep: 366d, reserve: 1MiB, space: 1GiB, full: refuse}"
	require.NoError(t, l.StartGateway(setting))
	config := l.Path("gateway.yaml")
	checked, _ := l.Run("tla-gateway", "check", "-c", config)
	require.Contains(t, checked, "case 17")
	require.Len(t, fullFiles(t, file), 2)
	_, err := l.Run("tla-gateway", "audit", "hold", "-c", config, "--reason", "case 18")
	require.ErrorContains(t, err, "it is held, since")
	_, err = l.Run("tla-gateway", "audit", "release", "-c", config, "--reason", "case 17 is closed")
	require.NoError(t, err)
	for left := 1; left >= 0; left-- {
		l.GatewayProc.Kill()
		require.NoError(t, l.StartGateway(setting))
		require.Eventually(t, func() bool { return len(fullFiles(t, file)) == left }, world.Patience,
			20*time.Millisecond)
	}
	require.NoError(t, l.GatewayProc.Stop())

	out, err := l.Run("tla-gateway", "audit", "verify", "-c", config, "--anchor", l.GatewayTrust.Anchor, "--anchor",
		l.Path("pki/public/issuing.crt"))
	require.NoError(t, err)
	require.Contains(t, out, "are one chain, 3 to ")
	require.Contains(t, out, "says that lines up to 2, of ")
	acts, err := l.Run("tla-gateway", "audit", "show", "-c", config, "--event", "operator.act")
	require.NoError(t, err)
	require.Contains(t, acts, "act=release")
	require.Contains(t, acts, `reason="case 17 is closed"`)
	report, err := audit.VerifyFile(file)
	require.NoError(t, err)
	require.Empty(t, report.Recovered)
	require.Len(t, report.Purged, 2)
	require.Len(t, report.Purged, strings.Count(string(read(t, file)), `"event":"audit.purged"`))
}

// agedTrace begins a trace with one line on each of two days, more than a year ago, and returns it as of today.
func agedTrace(t *testing.T, file string) *audit.Log {
	t.Helper()
	var log *audit.Log
	for _, days := range []int{401, 400, 0} {
		var err error
		log, err = audit.Open(audit.Config{File: file, By: "tla-gateway", Daily: true, Clock: func() time.Time {
			return time.Now().AddDate(0, 0, -days)
		}})
		require.NoError(t, err)
		require.NoError(t, log.Record(audit.ProgramStart))
	}
	return log
}

func fullFiles(t *testing.T, file string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(filepath.Dir(file), "gateway-audit-*.jsonl"))
	require.NoError(t, err)
	return names
}
