package integration

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
	"tlagate/audit/audittest"
	"tlagate/integration/lab"
)

// headsBed is a gateway with a trace, whose heads a tla-pki keeps.
type headsBed struct {
	*lab.Lab
	push  *lab.Push
	trace string
}

func newHeadsBed(t *testing.T) *headsBed {
	t.Helper()
	l := layLab(t)
	b := &headsBed{Lab: l, push: startPush(t, l), trace: l.Path("gateway-audit.jsonl")}
	b.start(t)
	return b
}

// start starts the gateway.
func (b *headsBed) start(t *testing.T) {
	t.Helper()
	require.NoError(t, b.StartGateway(b.PushLines(b.push), "audit: "+b.trace))
}

// known returns the numbers of the lines that the PKI knows.
func (b *headsBed) known(t *testing.T) (numbers []uint64) {
	t.Helper()
	for line := range strings.Lines(b.keptLines(t)) {
		var head struct{ Number uint64 }
		require.NoError(t, json.Unmarshal([]byte(line), &head))
		numbers = append(numbers, head.Number)
	}
	return numbers
}

func (b *headsBed) keptLines(t *testing.T) string {
	t.Helper()
	out, err := b.Run("tla-pki", "heads", "-d", b.Path("pki"), lab.Gateway)
	require.NoError(t, err)
	return out
}

// learns waits until the PKI knows more lines than before, and returns how many.
func (b *headsBed) learns(t *testing.T, before int) int {
	t.Helper()
	require.Eventually(t, func() bool { return len(b.known(t)) > before }, patience, 100*time.Millisecond)
	return len(b.known(t))
}

// restart ends the gateway in good order, has something done to its trace meanwhile, and starts it again.
func (b *headsBed) restart(t *testing.T, meanwhile func()) {
	t.Helper()
	require.NoError(t, b.GatewayProc.Stop())
	if meanwhile != nil {
		meanwhile()
	}
	b.start(t)
}

// verify runs audit verify at the gateway.
func (b *headsBed) verify(t *testing.T, args ...string) (string, error) {
	t.Helper()
	return b.Run("tla-gateway", append([]string{"audit", "verify", "-c", b.Path("gateway.yaml")}, args...)...)
}

// rewrite does what root at the gateway can do: afterwards the chain is good.
func (b *headsBed) rewrite(t *testing.T, change func(*audit.Entry) bool) {
	t.Helper()
	require.NoError(t, audittest.Rewrite(b.trace, change))
	_, err := b.verify(t)
	require.NoError(t, err, "nothing on the machine tells")
}

// TestSA2HeadsFindARewrittenTrace: with the real programs, what root at the gateway makes of its trace is found by what
// the PKI knows of it, from the gateway's own machine and from an auditor's copy.
func TestSA2HeadsFindARewrittenTrace(t *testing.T) {
	b := newHeadsBed(t)
	n := b.learns(t, 0)
	b.restart(t, nil)
	b.learns(t, n)

	out, err := b.verify(t, "--heads")
	require.NoError(t, err)
	require.Contains(t, out, "are those that the PKI knows of "+lab.Gateway)
	require.NoError(t, os.WriteFile(b.Path("heads.jsonl"), []byte(b.keptLines(t)), 0o600))
	anchor := []string{"--anchor", b.Path("pki/public/root.crt"), "--anchor", b.Path("pki/public/issuing.crt")}
	copied := []string{"audit", "verify", "--file", b.trace, "--heads", b.Path("heads.jsonl")}
	_, err = b.Run("tla-gateway", append(copied, anchor[:2]...)...)
	require.ErrorContains(t, err, "its certificate was not valid then below the anchors")
	out, err = b.Run("tla-gateway", append(copied, anchor...)...)
	require.NoError(t, err)
	require.Contains(t, out, "heads.jsonl")
	require.Contains(t, out, "signed with the key of certificate ")

	require.NoError(t, b.GatewayProc.Stop())
	b.rewrite(t, func(e *audit.Entry) bool {
		if e.Seq == 1 {
			e.With["version"] = "another"
		}
		return true
	})
	kept := b.Path("heads.jsonl")
	for _, args := range [][]string{{"--heads"}, {"--heads", kept}, {"--heads=" + kept}} {
		_, err = b.verify(t, args...)
		require.ErrorContains(t, err, "is not the one that the PKI knows: the trace was rewritten", "%v", args)
	}
	b.start(t) // so that the lab ends as it should
}

// TestG7HeadsThatGoBackAreAnAlert: a gateway that has lines less than the PKI knows is refused at its start; both
// traces and both logs say so. An operator who knows why has the PKI forget what was before.
func TestG7HeadsThatGoBackAreAnAlert(t *testing.T) {
	b := newHeadsBed(t)
	n := b.learns(t, 0)
	b.restart(t, nil)
	n = b.learns(t, n)
	b.restart(t, func() { b.rewrite(t, func(e *audit.Entry) bool { return e.Seq < 2 }) })
	logged(t, b.GatewayProc, 0, "level=ERROR", "the PKI refuses the head of our audit trace", "peer="+lab.PKI)
	logged(t, b.push.Proc, 0, "level=ERROR", "the head of a gateway's audit trace is refused", "peer="+lab.Gateway)
	require.Len(t, b.known(t), n, "nothing was taken")
	show := func(program string, where ...string) string {
		out, err := b.Run(program, append([]string{"audit", "show", "--event", "head.refused"}, where...)...)
		require.NoError(t, err)
		return out
	}
	require.Contains(t, show("tla-gateway", "-c", b.Path("gateway.yaml")), "peer="+lab.PKI)
	require.Contains(t, show("tla-pki", "-d", b.Path("pki")), "identity="+lab.Gateway)
	_, err := b.verify(t, "--heads")
	require.ErrorContains(t, err, "cannot vouch for the audit trace")

	_, err = b.Run("tla-pki", "heads", "forget", "-d", b.Path("pki"), lab.Gateway, "--reason", "test of a new machine")
	require.NoError(t, err)
	b.restart(t, nil)
	b.learns(t, 0)
	_, err = b.verify(t, "--heads")
	require.NoError(t, err)
}

// TestSA2CheckSaysWhoKeepsTheHeads, or that nobody does.
func TestSA2CheckSaysWhoKeepsTheHeads(t *testing.T) {
	b := newHeadsBed(t)
	out, err := b.Run("tla-gateway", "check", "-c", b.Path("gateway.yaml"))
	require.NoError(t, err)
	require.Contains(t, out, "its heads are kept by https://")
	require.Regexp(t, "(?m)^trace +"+regexp.QuoteMeta(b.trace)+", kept for 366 days, then purged", out)
	require.NoError(t, b.GatewayProc.Stop())
	require.NoError(t, b.StartGateway("audit: "+b.trace))
	out, err = b.Run("tla-gateway", "check", "-c", b.Path("gateway.yaml"))
	require.NoError(t, err)
	require.Contains(t, out, "nothing keeps the heads of the audit trace")
}
