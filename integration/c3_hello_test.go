package integration

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/integration/faults"
	"tlagate/integration/lab"
	"tlagate/pdt"
	"tlagate/pki"
	"tlagate/tla"
)

// smallBox returns a deployment in which a box on the way to the gateway resets connections that begin with a hello of
// more than 1 000 octets.
func smallBox(t *testing.T) *bed {
	t.Helper()
	b := newBed(t)
	b.ca.publish(t)
	require.NoError(t, b.StartGateway())
	p, err := faults.NewProxy(b.GatewayAddr)
	require.NoError(t, err)
	t.Cleanup(p.Close)
	p.LimitHello(1000, faults.Reset)
	b.TLAVia, b.PdTVia = []string{b.Named(p.Addr())}, []string{b.Named(p.Addr())}
	return b
}

// TestC3BoxThatTakesNoLargeHello: relay and PdT get through without the hybrids after two failures each, within one
// start of the user's, and say so in log, trace and status.
func TestC3BoxThatTakesNoLargeHello(t *testing.T) {
	b := smallBox(t)
	trace := func(name string) string { return "audit: " + b.Path(name+"-trace.jsonl") }
	b.startPdT(t, trace("pdt"))
	logged(t, b.PdTProc, 0, "no link to the gateway", "reason=handshake_failed")
	logged(t, b.PdTProc, 0, "without post-quantum groups", "gateway="+b.PdTVia[0])
	require.NoError(t, b.StartRelay(trace("relay")))
	b.startAccepted(t)
	logged(t, b.RelayProc, 0, "without post-quantum groups", "gateway="+b.TLAVia[0])

	for program, config := range map[string]string{"tla-pdt": "pdt.yaml", "tla-relay": "relay.yaml"} {
		out, err := b.Run(program, "audit", "show", "--config", b.Path(config))
		require.NoError(t, err, out)
		require.Contains(t, out, "hybrids.omitted")
		require.Contains(t, out, "gateway="+b.TLAVia[0])
	}
	require.Equal(t, b.TLAVia[0], relayStatus(t, b.Lab).Hellos[0].Gateway)
	out, err := b.Run("tla-pdt", "status", "--config", b.Path("pdt.yaml"), "--json")
	require.NoError(t, err, out)
	var s pdt.Status
	require.NoError(t, json.Unmarshal([]byte(out), &s))
	require.NotZero(t, s.Gateways[0].WithoutHybrids)
	out, err = b.Run("tla-pdt", "status", "--config", b.Path("pdt.yaml"))
	require.NoError(t, err, out)
	require.Contains(t, out, "without post-quantum groups until")
}

// TestC3BoxThatTakesNoLargeHelloEnrols: what connects only once gets through such a box as well: an enrolment, the
// first bundle, and the doctor, which reports the box.
func TestC3BoxThatTakesNoLargeHelloEnrols(t *testing.T) {
	b := newBoxBed(t)
	line, err := b.LayOutBundles()
	require.NoError(t, err)
	b.GatewayTrust.OCSP = []string{"http://" + b.OCSPAddr + "/ocsp"}
	require.NoError(t, b.SignBundle("tla", "ops"))
	b.enrolGateway(t, line)
	p, err := faults.NewProxy(b.GatewayAddr)
	require.NoError(t, err)
	t.Cleanup(p.Close)
	p.LimitHello(1000, faults.Reset)
	via := b.Named(p.Addr())
	b.TLAVia, b.PdTVia = []string{via}, []string{via}

	file := b.Path("relay.p7m")
	required := []string{"bundle: " + file, "hybrid: required"}
	code := b.invite(t, lab.TLA, "--again")
	_, err = b.Enroll("relay", required, code, "--gateway", via)
	require.Error(t, err, "hybrid: required")
	out, err := b.Enroll("relay", []string{"bundle: " + file, "audit: " + b.Path("trace.jsonl")}, code, "--gateway",
		via)
	require.NoError(t, err, out)
	require.FileExists(t, file)
	out, err = b.Run("tla-relay", "audit", "show", "--file", b.Path("trace.jsonl"))
	require.NoError(t, err, out)
	require.Equal(t, 2, strings.Count(out, "hybrids.omitted"), "for the enrolment, and for the bundle")

	out, err = b.Enroll("pdt", nil, b.invite(t, lab.PdT, "--dns", "bureau.cabinet-demo.invalid", "--again"),
		"--gateway", via)
	require.NoError(t, err, out)
	f := doctor(t, b.Lab, "tla-pdt", nil)
	f.are(t, "warning", "gateway "+via)
	require.Contains(t, f["gateway "+via].Found, "without post-quantum groups")
}

// TestG5HybridRequired: where hybrids are required there is no session through such a box, however often it is tried.
func TestG5HybridRequired(t *testing.T) {
	b := smallBox(t)
	require.NoError(t, b.LaunchPdT("hybrid: required"))
	require.NoError(t, b.StartRelay("hybrid: required"))
	for range 4 {
		why := b.startRefused(t)
		require.Equal(t, []string{string(tla.CodeRefused), string(pki.HandshakeFailed)}, []string{why.Code, why.Reason})
	}
	mark := 0
	for range 4 {
		line := logged(t, b.PdTProc, mark, "no link to the gateway", "reason=handshake_failed")
		mark = b.PdTProc.Mark()
		require.NotContains(t, line, "post-quantum")
	}
}
