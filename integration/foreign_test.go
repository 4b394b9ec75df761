package integration

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/integration/cardsim"
	"tlagate/integration/lab"
	"tlagate/integration/world"
)

// TestSP4ForeignProgramsAtThePdT: programs of others, from Debian's packages, use the cards as those of readers of
// their own. Those that need a PIN ask nobody for one: the reader has a pad, which is the terminal.
func TestSP4ForeignProgramsAtThePdT(t *testing.T) {
	l := newLab(t)
	startSession(t, l)
	p := l.PdTReaders
	atr := strings.ToUpper(hex.EncodeToString(l.Vitale.ATR()))
	serial := strings.TrimSuffix(serialFile(l.Vitale), "9000")
	const selectMF = "00A40000023F00" // whatever the program before has selected

	t.Run("opensc-tool", func(t *testing.T) {
		require.Regexp(t, `(?m)^0 +Yes +PIN pad +tlagate Vitale 00 00$`, tool(t, p, "opensc-tool", "-l"))
		readVitale(t, l)
	})
	t.Run("pcsc_scan", func(t *testing.T) {
		out := tool(t, p, "sh", "-c", "timeout 2 pcsc_scan -n || test $? = 124")
		for _, want := range append(lab.PdTReaders[:], "Card inserted") {
			require.Contains(t, out, want)
		}
		require.Contains(t, strings.ReplaceAll(out, " ", ""), atr)
	})
	t.Run("scriptor", func(t *testing.T) {
		out := tool(t, p, "sh", "-c", fmt.Sprintf("printf '%s\\n%s\\n' | scriptor -r %q", selectMF, readSerial,
			vitaleReader))
		require.Contains(t, strings.ReplaceAll(strings.ReplaceAll(out, "\n", ""), " ", ""), serial)
	})
	t.Run("pyscard", func(t *testing.T) {
		script := fmt.Sprintf(`from smartcard.System import readers
from smartcard.util import toHexString, toBytes
r = [r for r in readers() if str(r) == %q][0]
c = r.createConnection()
c.connect()
c.transmit(toBytes(%q))
data, sw1, sw2 = c.transmit(toBytes(%q))
print(toHexString(c.getATR()), toHexString(data), "%%02X%%02X" %% (sw1, sw2))
`, vitaleReader, selectMF, readSerial)
		out := tool(t, p, "/usr/bin/python3", "-c", script)
		require.Equal(t, atr+serial+"9000", strings.ReplaceAll(strings.TrimSpace(out), " ", ""))
	})
	t.Run("Java's smartcardio", func(t *testing.T) {
		out := tool(t, p, "java", "-Dsun.security.smartcardio.library="+pcscLibrary(t), "testdata/java/Read.java",
			vitaleReader, readSerial)
		require.Equal(t, atr+" "+serial+" 9000", strings.TrimSpace(out))
	})
	t.Run("gpg", func(t *testing.T) { gpgSeesAReader(t, p) })
	hideVitaleFromOpenSC(t, p)
	t.Run("pkcs15-tool", func(t *testing.T) {
		require.Contains(t, tool(t, p, "pkcs15-tool", "--list-certificates"), "Certificate for PIV Authentication")
	})
	t.Run("pkcs11-tool signs by the pad", func(t *testing.T) {
		in, out := filepath.Join(t.TempDir(), "in"), filepath.Join(t.TempDir(), "out")
		require.NoError(t, os.WriteFile(in, []byte(message), 0o600))
		atThePad(t, l, func() (string, error) {
			return world.Run(patience, p.Env(), "pkcs11-tool", "--sign", "--mechanism", "SHA256-RSA-PKCS", "--id", "01",
				"--login", "--input-file", in, "--output-file", out)
		})
		signature, err := os.ReadFile(out)
		require.NoError(t, err)
		signedByTheCPS(t, l, signature)
	})
	t.Run("Java's SunPKCS11 signs by the pad", func(t *testing.T) {
		conf := filepath.Join(t.TempDir(), "pkcs11.cfg")
		require.NoError(t, os.WriteFile(conf, []byte("name=tlagate\nlibrary="+openscModule(t)+"\nslotListIndex=0\n"),
			0o600))
		out := atThePad(t, l, func() (string, error) {
			return world.Run(patience, p.Env(), "java", "testdata/java/Sign.java", conf, message)
		})
		signature, err := hex.DecodeString(strings.TrimSpace(out))
		require.NoError(t, err, out)
		signedByTheCPS(t, l, signature)
	})
}

// atThePad has a program run that needs the PIN, and types it at the terminal.
func atThePad(t *testing.T, l *lab.Lab, program func() (string, error)) (out string) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		var err error
		out, err = program()
		done <- err
	}()
	said, err := enterPIN(l, "1234\n")
	require.NoError(t, err, said)
	require.NoError(t, <-done)
	return out
}

// signedByTheCPS asserts that a signature of the message is that of the card's key for authentication.
func signedByTheCPS(t *testing.T, l *lab.Lab, signature []byte) {
	t.Helper()
	digest := sha256.Sum256([]byte(message))
	public := l.CPS.Certificate(cardsim.KeyAuthentication).PublicKey.(*rsa.PublicKey)
	require.NoError(t, rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature))
}

// gpgSeesAReader: neither card is one for OpenPGP. GnuPG 2.2 knows neither, and lists the readers; 2.4 lists those of a
// driver of its own alone, but has an application for the CPS.
func gpgSeesAReader(t *testing.T, p *world.PCSCD) {
	home := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(home, "scdaemon.conf"),
		[]byte("disable-ccid\npcsc-shared\nreader-port "+vitaleReader+"\n"), 0o600))
	env := append(p.Env(), "GNUPGHOME="+home)
	out, err := world.Run(patience, env, "sh", "-c", "gpg --card-status; gpgconf --kill all")
	require.NoError(t, err, out)
	out, err = world.Run(patience, env, "sh", "-c",
		`printf 'SERIALNO\nGETINFO reader_list\nGETINFO all_active_apps\nBYE\n' | `+
			"/usr/lib/gnupg/scdaemon --server --homedir "+home)
	require.NoError(t, err, out)
	require.Regexp(t, regexp.QuoteMeta(cpsReader)+`|(?m)^S SERIALNO [0-9A-F]{32} piv$`, out)
}

// pcscLibrary returns where libpcsclite is, which Java looks for in a place that Debian does not have.
func pcscLibrary(t *testing.T) string { return onlyFile(t, "/usr/lib/*/libpcsclite.so.1") }

func openscModule(t *testing.T) string { return onlyFile(t, "/usr/lib/*/opensc-pkcs11.so") }

func onlyFile(t *testing.T, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	require.NoError(t, err)
	for _, file := range found {
		if strings.Contains(file, machineOf(t)) {
			return file
		}
	}
	require.FailNow(t, "not found", "%s: %v", pattern, found)
	return ""
}

// machineOf returns the name of this machine's kind in Debian's paths.
func machineOf(t *testing.T) string {
	out, err := world.Run(patience, nil, "gcc", "-print-multiarch")
	require.NoError(t, err)
	return strings.TrimSpace(out)
}
