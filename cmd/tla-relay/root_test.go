package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"tlagate/audit"
	"tlagate/cmd/internal/owner/ownertest"
	"tlagate/est"
	"tlagate/pki/pkitest"
)

// relaysUser is the account that owns the state directory of a terminal that root enrols.
const relaysUser = 12346

// rootsTerminal returns a terminal as its package installs it: root owns the configuration, its user the state.
func rootsTerminal(t *testing.T) (config, state string) {
	t.Helper()
	ownertest.NeedsRoot(t)
	dir := ownertest.Ground(t)
	state = ownertest.Dir(t, filepath.Join(dir, "state"), 0o700, relaysUser)
	config = filepath.Join(dir, "relay.yaml")
	require.NoError(t, os.WriteFile(config, []byte(`pdt: bureau
identity: {cert: state/tla.crt, key: state/tla.key}
trust: {anchors: [{file: state/root.crt, practices: ["*"]}], arl: state/arl.pem, state: state/crl-numbers}
audit: state/audit.jsonl
clock_floor: state/clock
`), 0o644))
	return config, state
}

// asRoot runs the program in a process of its own, which must end within half a minute.
func asRoot(t *testing.T, args ...string) (string, error) {
	t.Helper()
	me, err := os.Executable()
	require.NoError(t, err)
	c := exec.CommandContext(t.Context(), me, args...)
	c.Env = append(os.Environ(), programEnv+"=1", "LANG=en_US.UTF-8")
	late := time.AfterFunc(2*time.Minute, func() { _ = c.Process.Kill() })
	defer late.Stop()
	out, err := c.CombinedOutput()
	return string(out), err
}

// TestEL1RootEnrolsForTheService: whatever a command of root leaves, the service can use (EL1, SP2).
func TestEL1RootEnrolsForTheService(t *testing.T) {
	config, state := rootsTerminal(t)
	ca := pkitest.New(t)
	server := ca.ServeEST(t)
	code := est.NewCode(ca.Root.Cert)
	server.Allow(code.Text(), "urn:tlagate:cabinet:tla:valise")
	out, err := asRoot(t, "enroll", "--config", config, "--gateway", server.Addr, code.Text())
	require.NoError(t, err, out)
	files, err := os.ReadDir(state)
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 6, "certificate, key, anchor, ARL, trace and its head")
	for _, f := range files {
		require.Equal(t, relaysUser, ownertest.Of(t, filepath.Join(state, f.Name())), f.Name())
	}
	report, err := audit.VerifyFile(filepath.Join(state, "audit.jsonl"))
	require.NoError(t, err)
	require.NotZero(t, report.Lines)
	out, err = asRoot(t, "erase", "--config", config, "--yes")
	require.NoError(t, err, out)
	require.NoFileExists(t, filepath.Join(state, "tla.key"))
}

// TestEL1NothingLaidOutMisleadsRoot: with links and FIFOs in the state directory, each command still ends, and what is
// root's stays as it is.
func TestEL1NothingLaidOutMisleadsRoot(t *testing.T) {
	ca := pkitest.New(t)
	server := ca.ServeEST(t)
	code := est.NewCode(ca.Root.Cert)
	server.Allow(code.Text(), "urn:tlagate:cabinet:tla:valise")
	precious := filepath.Join(t.TempDir(), "precious")
	require.NoError(t, os.WriteFile(precious, []byte("root's"), 0o600))
	for _, name := range []string{"audit.jsonl", "audit.jsonl.head", "tla.key", "tla.key.next", "tla.key.next.new",
		"tla.crt", "tla.crt.next", "root.crt", "arl.pem"} {
		for kind, lay := range map[string]func(string) error{
			"link": func(at string) error { return os.Symlink(precious, at) },
			"fifo": func(at string) error { return unix.Mkfifo(at, 0o666) },
		} {
			t.Run(kind+" "+name, func(t *testing.T) {
				config, state := rootsTerminal(t)
				require.NoError(t, lay(filepath.Join(state, name)))
				for _, args := range [][]string{{"enroll", "--gateway", server.Addr, "--replace", code.Text()},
					{"erase", "--yes"}} {
					out, err := asRoot(t, append([]string{args[0], "--config", config}, args[1:]...)...)
					require.NotContains(t, out, "panic")
					if err != nil {
						require.Contains(t, err.Error(), "exit status", out)
					}
				}
				text, err := os.ReadFile(precious)
				require.NoError(t, err)
				require.Equal(t, "root's", string(text))
				require.Zero(t, ownertest.Of(t, precious))
			})
		}
	}
}
