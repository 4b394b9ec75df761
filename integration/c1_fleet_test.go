package integration

import (
	"context"
	"crypto/tls"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
	"tlagate/integration/faults"
	"tlagate/integration/lab"
	"tlagate/integration/world"
	"tlagate/pki/trust"
	"tlagate/session"
	"tlagate/session/consent/consenttest"
	"tlagate/session/link"
)

// TestEL1PowerCutOfATerminal: a relay is killed and its link cut off at the same moment, as by a power cut, and started
// again: its next session begins although the gateway never finds the old link dead by itself.
//
// Fault: a terminal dies.
func TestEL1PowerCutOfATerminal(t *testing.T) {
	t.Parallel()
	l := layLabAlone(t)
	wire, err := faults.NewProxy(l.GatewayAddr)
	require.NoError(t, err)
	t.Cleanup(wire.Close)
	l.GatewayVia = wire.Addr()
	require.NoError(t, l.StartReaders())
	require.NoError(t, l.InsertCards())
	require.NoError(t, l.StartGateway("limits: {heartbeat: 1h}"))
	require.NoError(t, l.StartPdT())
	require.NoError(t, l.StartRelay())
	startSession(t, l)

	wire.Arm(faults.Fault{Kind: faults.HalfOpen, Then: faults.Accept})
	require.NoError(t, l.RelayProc.Signal(syscall.SIGKILL))
	l.RelayProc.Kill()
	mark := l.GatewayProc.Mark()
	require.NoError(t, l.StartRelay())
	startSession(t, l)
	readVitale(t, l)
	logged(t, l.GatewayProc, mark, "session ended", "reason=dead", "by=tla")
}

// TestC1CloneOfATerminal: whoever has a terminal's key does not take its session away; once both have asked, the
// gateway's trace says so, and the terminal goes on.
func TestC1CloneOfATerminal(t *testing.T) {
	t.Parallel()
	l := layLabAlone(t)
	require.NoError(t, l.StartReaders())
	require.NoError(t, l.InsertCards())
	trace := l.Path("gateway-audit.jsonl")
	require.NoError(t, l.StartGateway("audit: "+trace))
	require.NoError(t, l.StartPdT())
	require.NoError(t, l.StartRelay())
	startSession(t, l)
	err := openAsClone(t, l)
	var p *link.Problem
	require.ErrorAs(t, err, &p)
	require.Equal(t, link.ProblemTLABusy, p.Code)
	readVitale(t, l)
	_, err = l.Relay("stop")
	require.NoError(t, err)
	startSession(t, l)
	logged(t, l.GatewayProc, 0, "two programs seem to use one identity", "reason=returned", "peer="+lab.TLA)
	require.Eventually(t, func() bool {
		events, _ := traced(t, trace, 0)
		return slices.Contains(kindsOf(events), string(audit.CloneSuspected))
	}, patience, 20*time.Millisecond)
}

// openAsClone asks for a session with the terminal's key, and says that it is another process.
func openAsClone(t *testing.T, l *lab.Lab) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := net.Dial("tcp", l.GatewayAddr)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	cert := readKeys(t, l.TLAKeys)
	conn := tls.Client(c, &tls.Config{Certificates: []tls.Certificate{cert}, InsecureSkipVerify: true,
		MinVersion: tls.VersionTLS13, NextProtos: []string{trust.ALPNOuter}})
	require.NoError(t, conn.HandshakeContext(ctx))
	id := session.NewID().String()
	_, err = link.Open(ctx, conn, lab.PdT, id, link.Config{Instance: strings.Repeat("c0", 16),
		Consent: consenttest.By(cert, lab.PdT, id)})
	return err
}

// TestC1CloneOfAPdT: a second tla-pdt with the same certificates is noticed although nobody uses it, and gets no cards.
func TestC1CloneOfAPdT(t *testing.T) {
	l := newLab(t)
	startSecondPdT(t, l)
	logged(t, l.GatewayProc, 0, "two programs seem to use one identity", "peer="+lab.PdT)
	startSession(t, l)
	readVitale(t, l)
}

// startSecondPdT starts another tla-pdt with the configuration of the lab's, whose programs see no cards.
func startSecondPdT(t *testing.T, l *lab.Lab) {
	t.Helper()
	text, err := os.ReadFile(l.Path("pdt.yaml"))
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(l.Path("clone"), 0o755))
	changed := strings.ReplaceAll(string(text), "pdt.sock", "clone/pdt.sock")
	require.NoError(t, os.WriteFile(l.Path("pdt-clone.yaml"), []byte(changed), 0o600))
	path, err := l.Binary("tla-pdt")
	require.NoError(t, err)
	p, err := world.Start(world.Command{Name: "tla-pdt", Path: path,
		Args: []string{"run", "--config", l.Path("pdt-clone.yaml")}, Env: l.Env})
	require.NoError(t, err)
	t.Cleanup(p.Kill)
	_, err = p.WaitLine(patience, "link parked")
	require.NoError(t, err)
}
