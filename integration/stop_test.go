package integration

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/integration/lab"
	"tlagate/integration/world"
)

// waiting is a program that reads, at its start, a pipe that nobody writes to.
type waiting struct {
	name, command, config string
	ready                 string // what it says once it serves
	code                  int    // its exit code when it is told to stop
}

const byTheSignal = 128 + int(syscall.SIGTERM)

// TestStopsWhileItStarts: SIGTERM ends each program while a source that it needs at its start has not answered: at once
// where the store of lists waits, and in any case before it would be killed. The source never answers, so only the
// signal can end it.
func TestStopsWhileItStarts(t *testing.T) {
	t.Parallel()
	l, push := newStopBed(t)
	for _, w := range []waiting{
		{"tla-gateway", "serve", silence(t, l.Path("gateway.yaml"), l.Path("pki/public/crl.pem")), "listening", 0},
		{"tla-pdt", "run", silence(t, l.Path("pdt.yaml"), l.Path("pki/public/crl.pem")), "parked", 0},
		{"tla-relay", "run", silence(t, l.Path("relay.yaml"), l.Path("pki/public/crl.pem")), "ready", 0},
		{"tla-pki", "serve", silence(t, push, "pki/public/crl.der"), "listening", 0},
	} {
		t.Run(w.name+" and its list", func(t *testing.T) { w.stops(t, strings.TrimSuffix(w.config, ".yaml")+".pipe") })
	}
	for name, command := range map[string]string{
		"tla-gateway": "serve", "tla-pdt": "run", "tla-relay": "run", "tla-pki": "serve", "tla-ocsp": "serve",
	} {
		t.Run(name+" and its configuration", func(t *testing.T) {
			w := waiting{name, command, l.Path(name + ".pipe"), "listening", byTheSignal}
			require.NoError(t, syscall.Mkfifo(w.config, 0o600))
			w.stops(t, w.config)
		})
	}
}

// newStopBed returns a lab in which each program has served once, so that its configuration is there and good.
func newStopBed(t *testing.T) (l *lab.Lab, push string) {
	l, err := lab.New()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	require.NoError(t, l.StartGateway())
	require.NoError(t, l.LaunchPdT())
	require.NoError(t, l.StartRelay())
	p, err := l.StartPush()
	require.NoError(t, err)
	_, err = l.StartOCSP()
	require.NoError(t, err)
	for _, running := range []*world.Process{l.GatewayProc, l.PdTProc, l.RelayProc, p.Proc, l.OCSPProc} {
		require.NoError(t, running.Stop())
	}
	return l, l.Path("serve.yaml")
}

// silence returns a copy of a configuration with a pipe in place of a file.
func silence(t *testing.T, config, file string) string {
	text, err := os.ReadFile(config)
	require.NoError(t, err)
	require.Contains(t, string(text), file)
	silent := strings.TrimSuffix(config, ".yaml") + "-silent.yaml"
	pipe := strings.TrimSuffix(silent, ".yaml") + ".pipe"
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	require.NoError(t, os.WriteFile(silent, []byte(strings.ReplaceAll(string(text), file, pipe)), 0o600))
	return silent
}

func (w waiting) stops(t *testing.T, pipe string) {
	path, err := world.Binary(w.name)
	require.NoError(t, err)
	p, err := world.Start(world.Command{Name: w.name, Path: path, Args: []string{w.command, "--config", w.config}})
	require.NoError(t, err)
	defer p.Kill()
	writer := readerOf(t, pipe)
	defer writer.Close()
	require.NoError(t, p.Signal(syscall.SIGTERM))
	code, err := p.Wait(2 * time.Minute)
	require.NoError(t, err)
	said := strings.Join(p.Lines(), "\n")
	require.Equal(t, w.code, code, said)
	require.NotContains(t, said, w.ready)
}

// readerOf waits until a program reads a pipe, and returns the other end.
func readerOf(t *testing.T, pipe string) (writer *os.File) {
	t.Helper()
	require.Eventually(t, func() bool {
		fd, err := syscall.Open(pipe, syscall.O_WRONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
		if errors.Is(err, syscall.ENXIO) {
			return false
		}
		require.NoError(t, err)
		writer = os.NewFile(uintptr(fd), pipe)
		return true
	}, 2*time.Minute, 20*time.Millisecond)
	return writer
}
