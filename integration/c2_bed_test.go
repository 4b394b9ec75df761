package integration

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/integration/lab"
	"tlagate/integration/world"
	"tlagate/pki"
	"tlagate/pki/pkitest"
)

// bed is a deployment whose certificates and revocation lists a test makes as bad as it likes. It has no readers: the
// tests end before a card is needed.
type bed struct {
	*lab.Lab
	t  *testing.T
	ca *c2PKI
}

// newBed lays out a deployment in which everything is good, and starts nothing. There are no revocation lists before
// publish is called.
func newBed(t *testing.T) *bed {
	t.Helper()
	t.Parallel()
	return newBedAlone(t)
}

func newBedAlone(t *testing.T) *bed {
	t.Helper()
	l := keepLab(t, lab.Bare)
	b := &bed{Lab: l, t: t, ca: newC2PKI(t, l.Dir)}
	l.GatewayTrust, l.PdTTrust, l.TLATrust = b.ca.trust(), b.ca.trust(), b.ca.trust()
	l.GatewayKeys = b.keys("gateway", b.ca.Issue(lab.Gateway, x509.ExtKeyUsageServerAuth, named))
	l.ClientKeys = b.keys("pdt-client", b.ca.Issue(lab.PdT, x509.ExtKeyUsageClientAuth))
	l.ServerKeys = b.keys("pdt-server", b.ca.Issue(lab.PdT, x509.ExtKeyUsageServerAuth))
	l.TLAKeys = b.keys("tla", b.ca.Issue(lab.TLA, x509.ExtKeyUsageClientAuth))
	return b
}

// keys writes a certificate and its key.
func (b *bed) keys(name string, c tls.Certificate) lab.Keys {
	b.t.Helper()
	cert, key := pkitest.WriteCertificate(b.t, b.Dir, name, c)
	return lab.Keys{Cert: cert, Key: key}
}

// logged waits for a line of a program after a mark, and returns it.
func logged(t *testing.T, p *world.Process, mark int, parts ...string) string {
	t.Helper()
	line, err := p.WaitLineFrom(mark, patience, parts...)
	require.NoError(t, err)
	return line
}

// hangUp has a program read certificates and revocation lists again, and waits until it has.
func hangUp(t *testing.T, p *world.Process) {
	t.Helper()
	mark := p.Mark()
	require.NoError(t, p.Signal(syscall.SIGHUP))
	logged(t, p, mark, "certificate and key read again")
}

// openssl runs openssl, a client that is not ours, sends something by it, and returns all that it printed.
func openssl(t *testing.T, send string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "openssl", args...)
	cmd.Stdin = strings.NewReader(send)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = patience
	out, _ := cmd.CombinedOutput() // openssl fails when it is refused; tests look at what it printed
	require.NoError(t, ctx.Err(), "openssl did not end:\n%s", out)
	return string(out)
}

const whoami = "GET /v1/whoami HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

// sClient asks the gateway with openssl whom it takes us for: a refusal in TLS 1.3 shows only when something is read.
// openssl's own limits, at which it would stop before the gateway does, are lowered.
func (b *bed) sClient(t *testing.T, args ...string) string {
	t.Helper()
	args = append([]string{"s_client", "-connect", b.GatewayAddr, "-servername", "localhost", "-ign_eof", "-CAfile",
		b.ca.files.Anchor}, args...)
	return openssl(t, whoami, args...)
}

var (
	withALPN  = []string{"-alpn", "http/1.1"}
	withSec0  = []string{"-cipher", "ALL:@SECLEVEL=0"}
	openSSL13 = append(append([]string{}, withALPN...), withSec0...)
)

func (k opensslKeys) args() []string {
	return append([]string{"-cert", k.Cert, "-key", k.Key, "-cert_chain", k.Cert}, openSSL13...)
}

// opensslKeys are files from which openssl shows a certificate with its chain.
type opensslKeys lab.Keys

// accepted asserts that the gateway let a client in, and under which identity.
func accepted(t *testing.T, output, identity string) {
	t.Helper()
	require.Contains(t, output, "HTTP/1.1 200", "the set-up without the defect must be accepted")
	require.Contains(t, output, identity)
}

// alerted asserts that the gateway refused a client by a TLS alert.
func alerted(t *testing.T, output string) {
	t.Helper()
	require.NotContains(t, output, "HTTP/1.1")
	require.Contains(t, output, "SSL alert number")
}

// relayAnswer is the part of an answer of `tla-relay --json` that the tests look at.
type relayAnswer struct {
	OK     bool
	Error  *relayWhy // of a start
	Status struct {
		State string
		Last  *relayWhy
	}
}

// relayWhy is why a session did not start, or ended.
type relayWhy struct{ Code, Reason, Cause, Peer, Gateway, Detail, Incident string }

func (b *bed) relay(t *testing.T, command string) (a relayAnswer) {
	t.Helper()
	out, err := b.Relay(command, "--json")
	require.NoError(t, json.Unmarshal([]byte(out), &a), "%s: %v", out, err)
	require.Equal(t, a.OK, err == nil, "exit code and answer must agree: %s", out)
	return a
}

// waitIdle waits until the relay has no session.
func (b *bed) waitIdle(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool { return b.relay(t, "status").Status.State == "idle" }, patience,
		20*time.Millisecond, "no session")
}

// startRefused makes a user's start that must fail, and returns why it did. A session of before may be just ending.
func (b *bed) startRefused(t *testing.T) relayWhy {
	t.Helper()
	b.waitIdle(t)
	a := b.relay(t, "start")
	require.False(t, a.OK, "the start must be refused")
	require.NotNil(t, a.Error)
	require.Equal(t, "idle", a.Status.State)
	return *a.Error
}

// startAccepted makes the same start, which must succeed, and ends the session again.
func (b *bed) startAccepted(t *testing.T) {
	t.Helper()
	a := b.relay(t, "start")
	require.True(t, a.OK, "the set-up without the defect must be accepted: %+v", a.Error)
	require.Equal(t, "up", a.Status.State)
	require.True(t, b.relay(t, "stop").OK)
}

// startPdT starts a PdT and waits until it is parked.
func (b *bed) startPdT(t *testing.T, extra ...string) {
	t.Helper()
	require.NoError(t, b.LaunchPdT(extra...))
	logged(t, b.PdTProc, 0, "link parked")
}

// pdtRefuses starts a PdT, which must refuse the gateway for a reason, and ends it.
func (b *bed) pdtRefuses(t *testing.T, reason pki.Reason) {
	t.Helper()
	require.NoError(t, b.LaunchPdT())
	defer func() { require.NoError(t, b.PdTProc.Stop()) }()
	logged(t, b.PdTProc, 0, "no link to the gateway", "reason="+string(reason), "peer=claimed")
}
