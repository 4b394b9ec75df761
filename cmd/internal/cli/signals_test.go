package cli

import (
	"bytes"
	"context"
	"crypto/x509"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/keys"
	"tlagate/pki/pkitest"
)

// patience is how long to wait for what must happen, however slow the machine.
const patience = 2 * time.Minute

func TestATermEndsTheContext(t *testing.T) {
	for _, stop := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		ctx, cancel := untilStopped(context.Background())
		require.NoError(t, ctx.Err())
		require.NoError(t, syscall.Kill(os.Getpid(), stop.(syscall.Signal)))
		select {
		case <-ctx.Done():
		case <-time.After(patience):
			t.Fatal("not stopped")
		}
		cancel()
	}
}

func TestOnHangup(t *testing.T) {
	// Without this, a hangup after OnHangup has ended would end the test program.
	guard := make(chan os.Signal, 1)
	signal.Notify(guard, syscall.SIGHUP)
	defer signal.Stop(guard)

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	called := make(chan bool)
	(&App{Context: ctx}).OnHangup(func() { called <- true })
	for range 2 { // once OnHangup has returned, not one is lost
		require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
		select {
		case <-called:
		case <-time.After(patience):
			require.Fail(t, "the hangup was not heard")
		}
	}
}

func TestKeysReload(t *testing.T) {
	dir, authority := t.TempDir(), pkitest.New(t)
	first := authority.Issue("urn:tlagate:cab1:tla:t1", x509.ExtKeyUsageClientAuth)
	cert, key := pkitest.WriteCertificate(t, dir, "t1", first)
	keys, err := Identity{Cert: Path(cert), Key: keys.Spec(key)}.Open()
	require.NoError(t, err)
	require.Equal(t, first.Certificate[0], keys.Certificate().Certificate[0])

	second := authority.Issue("urn:tlagate:cab1:tla:t1", x509.ExtKeyUsageClientAuth)
	pkitest.WriteCertificate(t, dir, "t1", second)
	require.NoError(t, keys.Reload())
	require.Equal(t, second.Certificate[0], keys.Certificate().Certificate[0])

	require.NoError(t, os.WriteFile(key, []byte("half a fi"), 0o600))
	var log bytes.Buffer
	keys.ReloadOrLog(slog.New(slog.NewTextHandler(&log, nil)))
	require.Equal(t, second.Certificate[0], keys.Certificate().Certificate[0], "the old pair stays")
	require.Contains(t, log.String(), "the old certificate stays in use")
	require.NotContains(t, log.String(), "half a fi")
}

// TestAProgramKnowsThatItsConfigurationIsOld: whoever reads nothing of it again says once for each change that it takes
// a restart, also when the file is replaced by one of the same size and time.
func TestAProgramKnowsThatItsConfigurationIsOld(t *testing.T) {
	file := filepath.Join(t.TempDir(), "relay.yaml")
	write := func(name string) {
		require.NoError(t, os.WriteFile(name, []byte("crypto: rgs\n"), 0o600))
		require.NoError(t, os.Chtimes(name, time.Unix(1, 0), time.Unix(1, 0)))
	}
	var log bytes.Buffer
	app := &App{Log: slog.New(slog.NewTextHandler(&log, nil))}
	state := app.outdated(file, written(file))
	write(file)
	state = app.outdated(file, state)
	state = app.outdated(file, state)
	require.Empty(t, log.String(), "it could not be seen, and is the same since")
	write(file + ".new")
	require.NoError(t, os.Rename(file+".new", file))
	state = app.outdated(file, state)
	require.Equal(t, 1, strings.Count(log.String(), "that takes a restart"))
	require.NoError(t, os.Remove(file))
	state = app.outdated(file, app.outdated(file, state))
	require.Equal(t, 1, strings.Count(log.String(), "that takes a restart"))
	write(file)
	require.NoError(t, os.Chtimes(file, time.Unix(2, 0), time.Unix(2, 0)))
	app.outdated(file, app.outdated(file, state))
	require.Equal(t, 2, strings.Count(log.String(), "that takes a restart"))
}

func TestIdentityOpenRefuses(t *testing.T) {
	_, err := Identity{}.Open()
	require.ErrorContains(t, err, "identity.cert and identity.key must both name a file")
	cert, key := pkitest.WriteCertificate(t, t.TempDir(), "t1", pkitest.New(t).Issue("urn:tlagate:cab1:tla:t1",
		x509.ExtKeyUsageClientAuth))
	require.NoError(t, os.Chmod(key, 0o644))
	_, err = Identity{Cert: Path(cert), Key: keys.Spec(key)}.Open()
	require.ErrorContains(t, err, "chmod 600")
	_, err = Identity{Cert: Path(cert), Key: keys.Spec(filepath.Join(t.TempDir(), "nowhere.key"))}.Open()
	require.ErrorIs(t, err, os.ErrNotExist)
}
