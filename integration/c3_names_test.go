package integration

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/est"
	"tlagate/integration/faults"
	"tlagate/integration/lab"
	"tlagate/integration/world"
	"tlagate/tla"
)

// hungBed is a deployment whose programs ask a resolver that never answers, and would wait for hours: only their own
// limits, or a signal, end what they do. No test here looks at a clock.
type hungBed struct {
	*bed
	resolver *faults.Resolver
	over     world.Over
	gateway  string // its address, with a name that is never resolved
}

func newHungBed(t *testing.T) *hungBed {
	t.Helper()
	b := &hungBed{bed: newBed(t)}
	b.ca.publish(t)
	b.resolver = newResolver(t, b.Lab, "127.0.0.1")
	b.resolver.Silence()
	text, err := os.ReadFile(b.resolver.Conf)
	require.NoError(t, err)
	server, _, _ := strings.Cut(string(text), "\n")
	require.NoError(t, os.WriteFile(b.resolver.Conf, []byte(server+"\noptions timeout:600 attempts:60\n"), 0o644))
	b.over = b.RelayOver
	b.PdTOver, b.GatewayOver = b.over, b.over
	b.gateway = net.JoinHostPort(lab.GatewayName, port(b.GatewayAddr))
	b.TLAVia, b.PdTVia = []string{b.gateway}, []string{b.gateway}
	return b
}

// begin starts one of our programs.
func (b *hungBed) begin(t *testing.T, program string, args ...string) *world.Process {
	t.Helper()
	path, err := b.Binary(program)
	require.NoError(t, err)
	p, err := world.Start(world.Command{Name: program, Path: path, Args: args, Over: b.over})
	require.NoError(t, err)
	t.Cleanup(p.Kill)
	return p
}

// ends waits for a program's end, and returns all that it said.
func ends(t *testing.T, p *world.Process) (code int, said string) {
	t.Helper()
	code, err := p.Wait(patience)
	said = strings.Join(p.Lines(), "\n")
	require.NoError(t, err, said)
	return code, said
}

// asked waits until a program has asked the resolver, once more than before.
func (b *hungBed) asked(t *testing.T, before int) {
	t.Helper()
	require.NoError(t, world.Poll(patience, "the name to be asked for", func() error {
		if b.resolver.Failures() == before {
			return errors.New("nobody has")
		}
		return nil
	}))
}

// terminated sends SIGTERM to a program once it asks the resolver.
func (b *hungBed) terminated(t *testing.T, before int, p *world.Process) int {
	t.Helper()
	b.asked(t, before)
	require.NoError(t, p.Signal(syscall.SIGTERM))
	code, _ := ends(t, p)
	return code
}

// TestC3NamesAreNeverAnswered: a start, the PdT's dialling, doctor and enrolment end within their own limits, a gateway
// starts, and SIGTERM ends each program while it waits for a name.
func TestC3NamesAreNeverAnswered(t *testing.T) {
	b := newHungBed(t)
	b.TLATrust.ARL = b.Path("arl.pem")
	t.Run("a start", func(t *testing.T) {
		require.NoError(t, b.StartRelay())
		require.Equal(t, string(tla.CodeUnreachable), b.startRefused(t).Code)
		before := b.resolver.Failures()
		start := b.begin(t, "tla-relay", "start", "--config", b.Path("relay.yaml"))
		require.Zero(t, b.terminated(t, before, b.RelayProc))
		ends(t, start)
	})
	t.Run("enrolment", func(t *testing.T) {
		enroll := []string{"enroll", "--config", b.Path("relay.yaml"), "--gateway", b.gateway, "--replace",
			est.NewCode(b.ca.Root.Cert).Text()}
		code, said := ends(t, b.begin(t, "tla-relay", enroll...))
		require.NotZero(t, code)
		require.Contains(t, said, "cannot reach "+b.gateway)
		before := b.resolver.Failures()
		require.NotZero(t, b.terminated(t, before, b.begin(t, "tla-relay", enroll...)))
	})
	t.Run("the PdT", func(t *testing.T) {
		require.NoError(t, b.LaunchPdT())
		line, mark := nextLine(t, b.PdTProc, 0, "no link to the gateway", b.gateway)
		require.Contains(t, line, "retry_in=")
		nextLine(t, b.PdTProc, mark, "no link to the gateway")
		require.Zero(t, b.terminated(t, b.resolver.Failures(), b.PdTProc))
	})
	t.Run("the doctor", func(t *testing.T) {
		doctor := []string{"doctor", "--config", b.Path("pdt.yaml")}
		code, said := ends(t, b.begin(t, "tla-pdt", doctor...))
		require.Equal(t, 1, code)
		require.Contains(t, said, "gateway "+b.gateway)
		require.Contains(t, said, "not reached")
		before := b.resolver.Failures()
		b.terminated(t, before, b.begin(t, "tla-pdt", doctor...))
	})
	t.Run("a gateway whose sources are there", func(t *testing.T) {
		b.GatewayTrust.CRLs = append(b.GatewayTrust.CRLs, "http://"+lab.GatewayName+"/crl.der")
		b.GatewayTrust.OCSP = []string{"http://" + lab.GatewayName + "/ocsp"}
		push := fmt.Sprintf("push: [{url: %q, client: {cert: %s, key: %s}}]", "https://"+b.gateway,
			b.ClientKeys.Cert, b.ClientKeys.Key)
		before := b.resolver.Failures()
		require.NoError(t, b.StartGateway(push))
		require.Zero(t, b.terminated(t, before, b.GatewayProc))
	})
}
