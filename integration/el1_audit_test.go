package integration

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
	"tlagate/integration/cardsim"
	"tlagate/integration/lab"
	"tlagate/integration/world"
	"tlagate/pki/pkitest"
)

// traced returns the events of a program's trace after line from, and the number of lines.
func traced(t *testing.T, file string, from int) (events []audit.Entry, lines int) {
	t.Helper()
	for line, err := range audit.Read(file) {
		require.NoError(t, err)
		require.NoError(t, line.Err, line.Text)
		if lines++; lines > from {
			events = append(events, line.Entry)
		}
	}
	return events, lines
}

func kindsOf(events []audit.Entry) (kinds []string) {
	for _, e := range events {
		kinds = append(kinds, string(e.Event))
	}
	return kinds
}

// over makes the relay of a bed see a text in place of a file of the machine, until the test ends.
func (b *bed) over(t *testing.T, file, text string) {
	t.Helper()
	fake := filepath.Join(t.TempDir(), "fake")
	require.NoError(t, os.WriteFile(fake, []byte(text), 0o644))
	b.RelayOver = world.Over{file: fake}
	t.Cleanup(func() { b.RelayOver = nil })
}

// copyRelay returns a copy of tla-relay, which a test may change.
func copyRelay(t *testing.T) (file string) {
	t.Helper()
	ours, err := world.Binary("tla-relay")
	require.NoError(t, err)
	file = filepath.Join(t.TempDir(), "tla-relay")
	require.NoError(t, os.WriteFile(file, read(t, ours), 0o755))
	return file
}

const oneMore = "\nPackage: netcat-openbsd\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.219-1\n"

// TestEL1RelayTrace: what changes on the machine between two starts, and while the relay runs, is in its trace; if one
// octet of the trace is changed, that is found, and where.
func TestEL1RelayTrace(t *testing.T) {
	b := newBed(t)
	b.ca.publish(t)
	b.TLATrust.Anchor = b.Path("tla-root.pem")
	pkitest.WriteCertificates(t, b.TLATrust.Anchor, b.ca.Root.Cert)
	b.RelayProgram = copyRelay(t)
	status, err := os.ReadFile("/var/lib/dpkg/status")
	require.NoError(t, err)
	file := b.Path("audit.jsonl")
	seen := 0
	cycle := func(t *testing.T, while func()) []audit.Entry {
		require.NoError(t, b.StartRelay("audit: "+file))
		if while != nil {
			while()
		}
		require.NoError(t, b.RelayProc.Stop())
		events, lines := traced(t, file, seen)
		seen = lines
		return events
	}
	loaded := []string{"program.start", "key.loaded", "certificate.loaded", "anchor.loaded"}

	got := cycle(t, nil)
	require.Equal(t, append(append([]string{"host.baseline"}, loaded...), "program.stop"), kindsOf(got))
	require.Equal(t, lab.TLA, got[3].With["identity"])
	require.Equal(t, b.TLAKeys.Cert, got[3].With["file"])
	require.Equal(t, b.TLATrust.Anchor, got[4].With["file"])
	require.Equal(t, append(append([]string{}, loaded...), "program.stop"), kindsOf(cycle(t, nil)),
		"nothing has changed")

	t.Run("packages", func(t *testing.T) {
		t.Run("one more", func(t *testing.T) {
			b.over(t, "/var/lib/dpkg/status", string(status)+oneMore)
			got := cycle(t, nil)
			require.Equal(t, "host.packages.added", kindsOf(got)[0])
			require.Equal(t, "netcat-openbsd:amd64 1.219-1", got[0].With["names"])
		})
		t.Run("it is gone", func(t *testing.T) {
			got := cycle(t, nil)
			require.Equal(t, "host.packages.removed", kindsOf(got)[0])
			require.Equal(t, "netcat-openbsd:amd64 1.219-1", got[0].With["names"])
		})
	})
	t.Run("OS release", func(t *testing.T) {
		b.over(t, "/etc/os-release", "PRETTY_NAME=\"Another OS\"\nVERSION_ID=99\n")
		got := cycle(t, nil)
		require.Equal(t, "host.os.changed", kindsOf(got)[0])
		require.Equal(t, "Another OS 99", got[0].With["to"])
	})
	t.Run("program", func(t *testing.T) {
		f, err := os.OpenFile(b.RelayProgram, os.O_APPEND|os.O_WRONLY, 0)
		require.NoError(t, err)
		_, err = f.WriteString("x")
		require.NoError(t, err)
		require.NoError(t, f.Close())
		require.Contains(t, kindsOf(cycle(t, nil)), "host.program.changed")
	})
	t.Run("while it runs", func(t *testing.T) {
		got := cycle(t, func() {
			mark := b.RelayProc.Mark()
			b.keys("tla", b.ca.Issue(lab.TLA, x509.ExtKeyUsageClientAuth))
			logged(t, b.RelayProc, mark, "certificate and key read again")
			mark = b.RelayProc.Mark()
			pkitest.WriteCertificates(t, b.TLATrust.Anchor, b.ca.Root.Cert,
				pkitest.NewNamed(t, "TEST second").Root.Cert)
			logged(t, b.RelayProc, mark, "anchors and intermediates read again")
		})
		require.Equal(t, append(append([]string{}, loaded...), "key.replaced", "certificate.changed", "anchor.changed",
			"program.stop"), kindsOf(got))
	})
	t.Run("kill -9", func(t *testing.T) {
		got := cycle(t, func() { b.RelayProc.Kill() })
		require.NotContains(t, kindsOf(got), "program.stop")
	})
	t.Run("verify", func(t *testing.T) {
		out, err := b.Run("tla-relay", "audit", "verify", "-c", b.Path("relay.yaml"))
		require.NoError(t, err)
		require.Contains(t, out, "are one chain, 1 to ")
		out, err = b.Run("tla-relay", "audit", "show", "-c", b.Path("relay.yaml"), "--event", "host.*", "--since", "1h")
		require.NoError(t, err)
		require.Equal(t, 6, strings.Count(out, "\n"), out)
	})
	t.Run("one octet", func(t *testing.T) {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		lines := bytes.SplitAfter(raw, []byte("\n"))
		lines[4][len(lines[4])/2] ^= 1
		require.NoError(t, os.WriteFile(file, bytes.Join(lines, nil), 0o600))
		_, err = b.Run("tla-relay", "audit", "verify", "-c", b.Path("relay.yaml"))
		require.ErrorContains(t, err, "broken at line 5 of "+file)
	})
	t.Run("no trace, no start", func(t *testing.T) {
		require.NoError(t, os.Chmod(file, 0o666))
		err := b.StartRelay("audit: " + file)
		require.ErrorContains(t, err, "cannot open the audit trace "+file)
	})
}

// TestEL1NothingSensitiveInTheTraces: after a session with cards and with PINs typed at the PdT, in which every program
// writes a trace.
func TestEL1NothingSensitiveInTheTraces(t *testing.T) {
	l := layLab(t)
	trace := func(name string) string { return "audit: " + l.Path(name+"-audit.jsonl") }
	require.NoError(t, l.StartReaders())
	require.NoError(t, l.InsertCards())
	require.NoError(t, l.StartGateway(trace("gateway")))
	require.NoError(t, l.StartPdT(trace("pdt")))
	require.NoError(t, l.StartRelay(trace("relay")))
	startSession(t, l)
	readVitale(t, l)
	refusePIN(t, l)
	_, err := l.Relay("stop")
	require.NoError(t, err)
	for _, p := range []*world.Process{l.RelayProc, l.PdTProc, l.GatewayProc} {
		require.NoError(t, p.Stop())
	}
	all := ""
	for _, file := range []string{l.Path("gateway-audit.jsonl"), l.Path("pdt-audit.jsonl"), l.Path("relay-audit.jsonl"),
		l.Path("pki/audit.jsonl")} {
		report, err := audit.VerifyFile(file)
		require.NoError(t, err)
		require.Greater(t, report.Lines, 4)
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		all += strings.ToUpper(string(raw))
	}
	secret := secrets(t, l)
	require.Greater(t, len(secret), 30)
	for what, text := range secret {
		require.NotContains(t, all, strings.ToUpper(text), what)
	}
}

// secrets returns what must be in no trace.
func secrets(t *testing.T, l *lab.Lab) map[string]string {
	content := string(l.Vitale.Content(cardsim.AIDVitale, 0xD001))
	list := map[string]string{
		"PIN as sent": "31323334FFFF", "PIN": "\"1234\"", "command with a PIN": "0020008008", "PIN, after =": "=1234",
		"command": "00A404000B", "private key": "PRIVATE KEY", "ATR": strings.ToUpper(string(hexOf(l.Vitale.ATR()))),
	}
	for i := 0; i+12 <= len(content); i += 12 {
		if piece := content[i : i+12]; strings.Trim(piece, "\x00 ") != "" {
			list["Vitale "+piece] = piece
			list["Vitale, hexadecimal, "+piece] = string(hexOf([]byte(piece)))
		}
	}
	for _, keys := range []lab.Keys{l.TLAKeys, l.GatewayKeys, l.ClientKeys, l.ServerKeys} {
		raw, err := os.ReadFile(keys.Key)
		require.NoError(t, err)
		block, _ := pem.Decode(raw)
		require.NotNil(t, block)
		list["key, hexadecimal, "+keys.Key] = string(hexOf(block.Bytes[36:52]))
		list["key, PEM, "+keys.Key] = strings.Split(string(raw), "\n")[1][16:40]
	}
	return list
}

func hexOf(b []byte) []byte {
	const digits = "0123456789ABCDEF"
	var out []byte
	for _, c := range b {
		out = append(out, digits[c>>4], digits[c&15])
	}
	return out
}
