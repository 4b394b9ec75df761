// Package keystest makes a PKCS#11 token and a TPM 2.0 for tests: SoftHSM2 and swtpm (deploy/packages.sh test).
package keystest

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience is the time for what must happen, however slow the machine is.
const patience = 2 * time.Minute

// PIN is the user PIN of a [Token].
const PIN = "4711-test"

// Token is a new, empty token of SoftHSM2. One process sees one at a time.
type Token struct {
	Label  string
	Module string // file name of the PKCS#11 module
	Dir    string // where its content is
	PIN    string // name of a file with the PIN
	Conf   string // for SOFTHSM2_CONF, which is set in this process
}

// NewToken makes a token for a test.
func NewToken(t testing.TB) *Token {
	t.Helper()
	k, err := MakeToken(t.TempDir())
	require.NoError(t, err)
	if setter, ok := t.(interface{ Setenv(key, value string) }); ok {
		setter.Setenv("SOFTHSM2_CONF", k.Conf)
	}
	return k
}

// MakeToken makes a token in a directory; programs with SOFTHSM2_CONF set to its Conf find it.
func MakeToken(dir string) (*Token, error) {
	k := &Token{Label: "lab token", Dir: filepath.Join(dir, "tokens"), PIN: filepath.Join(dir, "pin"),
		Conf: filepath.Join(dir, "softhsm2.conf")}
	for _, pattern := range []string{"/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/*/softhsm/libsofthsm2.so"} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			k.Module = found[0]
		}
	}
	if err := os.Mkdir(k.Dir, 0o700); err != nil {
		return nil, err
	}
	conf := "directories.tokendir = " + k.Dir + "\nobjectstore.backend = file\nlog.level = ERROR\n"
	if err := os.WriteFile(k.Conf, []byte(conf), 0o600); err != nil {
		return nil, err
	}
	if err := os.WriteFile(k.PIN, []byte(PIN+"\n"), 0o600); err != nil {
		return nil, err
	}
	init := exec.Command("softhsm2-util", "--init-token", "--free", "--label", k.Label,
		"--pin", PIN, "--so-pin", "so-"+PIN)
	init.Env = append(os.Environ(), "SOFTHSM2_CONF="+k.Conf)
	return k, init.Run()
}

// URI returns the key: line of an object, with the PIN from a file.
func (k *Token) URI(object string) string { return k.Asked(object) + "&pin-source=file:" + k.PIN }

// Asked returns one without a pin-source: a person is asked.
func (k *Token) Asked(object string) string {
	return "pkcs11:token=" + strings.ReplaceAll(k.Label, " ", "%20") + ";object=" + object + "?module-path=" + k.Module
}

// NewTPM starts a TPM for a test, and returns its device for a key: line, "unix:/path".
func NewTPM(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "tpm") // a socket's name must be short
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	tpm := exec.Command("swtpm", "socket", "--tpm2", "--tpmstate", "dir="+dir, "--server", "type=unixio,path="+socket,
		"--ctrl", "type=unixio,path="+socket+".ctrl", "--flags", "not-need-init,startup-clear")
	require.NoError(t, tpm.Start(), "swtpm is needed: deploy/packages.sh test")
	t.Cleanup(func() { _ = tpm.Process.Kill(); _ = tpm.Wait() })
	require.Eventually(t, func() bool { return listens(socket) }, patience, 5*time.Millisecond)
	return "unix:" + socket
}

// listens reports whether anybody listens on a socket, whose name appears a moment before.
func listens(socket string) bool {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}
