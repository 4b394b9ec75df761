package integrity_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
	"tlagate/bundle"
	"tlagate/integrity"
	"tlagate/pki/pkitest"
	"tlagate/pki/revocation"
	"tlagate/pki/trust"
)

const (
	opsURN  = "urn:tlagate:operateur:admin:ops"
	program = "/usr/bin/tla-relay"
	unit    = "/usr/lib/systemd/system/tla-relay.service"
	dropIns = "/etc/systemd/system/tla-relay.service.d"
	config  = "/etc/tlagate/relay.yaml"
	place   = "/usr/share/tlagate/tla-relay.p7m"
)

// bed is a machine below a directory, with a trace, and who signs its manifests.
type bed struct {
	t    testing.TB
	ca   *pkitest.PKI
	ops  tls.Certificate
	root string
	cfg  integrity.Config
	log  *audit.Log
	said bytes.Buffer
	read int // lines of the trace seen so far
	sees revocation.Config
}

func newBed(t testing.TB) *bed {
	b := &bed{t: t, ca: pkitest.New(t), root: t.TempDir()}
	b.ops = b.ca.Issue(opsURN, x509.ExtKeyUsageCodeSigning)
	b.write(program, "the program")
	b.write(unit, "[Service]\n")
	b.write(dropIns+"/tpm.conf", "[Service]\nDeviceAllow=/dev/tpmrm0\n")
	b.write(config, "gateways: []\n")
	require.NoError(t, os.Symlink("tla-relay", b.at("/usr/bin/relay")))
	b.cfg = integrity.Config{Manifests: []string{place}, Judge: b.judge, State: b.at("/audit.jsonl.integrity"),
		Program: b.at(program), Root: b.root}
	var err error
	b.log, err = audit.Open(audit.Config{File: b.at("/audit.jsonl"), By: "tla-relay"})
	require.NoError(t, err)
	b.install(b.manifest(1))
	return b
}

func (b *bed) at(path string) string { return filepath.Join(b.root, path) }

func (b *bed) write(path, text string) {
	b.t.Helper()
	require.NoError(b.t, os.MkdirAll(filepath.Dir(b.at(path)), 0o755))
	require.NoError(b.t, os.WriteFile(b.at(path), []byte(text), 0o644))
}

// manifest returns one of the machine as it is now.
func (b *bed) manifest(number uint64) *integrity.Manifest {
	b.t.Helper()
	list, err := integrity.Gathering{Root: b.root, Except: []string{config},
		Paths: append([]string{program, unit, "/usr/bin/relay", "/etc/tlagate"},
			integrity.UnitPaths("tla-relay.service")...)}.Gather()
	require.NoError(b.t, err)
	return &integrity.Manifest{Manifest: 1, Name: "tla-relay", Number: number, Version: "1.2", Made: time.Now(),
		Files: list}
}

func (b *bed) sign(m *integrity.Manifest) []byte {
	b.t.Helper()
	der, err := integrity.Sign(m, &b.ops, time.Now())
	require.NoError(b.t, err)
	return der
}

func (b *bed) install(m *integrity.Manifest) { b.write(place, string(b.sign(m))) }

// judge judges signers as the mains do.
func (b *bed) judge(chain []*x509.Certificate, taken time.Time) error {
	file := filepath.Join(b.t.TempDir(), "root.pem")
	pkitest.WriteCertificates(b.t, file, b.ca.Root.Cert)
	store, err := trust.Open(trust.Config{Anchors: []trust.AnchorFile{{File: file, Practices: []string{"*"}}},
		Revocation: b.sees})
	require.NoError(b.t, err)
	_, err = store.VerifyKept(chain, bundle.Want, taken)
	return err
}

func (b *bed) watch(every time.Duration) *integrity.Watch {
	return integrity.NewWatch(b.cfg, every, b.log, slog.New(slog.NewTextHandler(&b.said, nil)))
}

// start compares as a program does at its start, and returns the new lines of the trace and what differs.
func (b *bed) start() (lines []string, err error) {
	b.t.Helper()
	err = b.watch(0).Start()
	return b.news(), err
}

// news returns the new lines of the trace: "kind name=value …".
func (b *bed) news() (lines []string) {
	b.t.Helper()
	n := 0
	for line, err := range audit.Read(b.log.File()) {
		require.NoError(b.t, err)
		require.NoError(b.t, line.Err)
		if n++; n > b.read {
			text := string(line.Entry.Event)
			for _, name := range []string{"file", "reason", "from", "to", "count", "names", "manifest", "version"} {
				if v, ok := line.Entry.With[name]; ok {
					text += " " + name + "=" + v
				}
			}
			lines = append(lines, text)
		}
	}
	b.read = n
	return lines
}

// numberOf returns the number under which the last difference of a path was recorded.
func (b *bed) numberOf(path string) (number string) {
	b.t.Helper()
	for line, err := range audit.Read(b.log.File()) {
		require.NoError(b.t, err)
		if e := line.Entry; e.Event == audit.IntegrityDiffers && e.With["file"] == path {
			number = e.With["incident"]
		}
	}
	return number
}

// whole requires that nothing differs.
func (b *bed) whole() (lines []string) {
	b.t.Helper()
	lines, err := b.start()
	require.NoError(b.t, err)
	require.Contains(b.t, lines[len(lines)-1], "integrity.compared reason=as the manifests say")
	return lines
}

// differs requires that the first difference is this, and that it is recorded once.
func (b *bed) differs(path string, why integrity.Why) integrity.Difference {
	b.t.Helper()
	lines, err := b.start()
	var m *integrity.Mismatch
	require.ErrorAs(b.t, err, &m)
	require.Equal(b.t, []string{path, string(why)}, []string{m.Differs[0].Path, string(m.Differs[0].Why)}, "%v", err)
	require.NotEmpty(b.t, m.Incident)
	require.Contains(b.t, strings.Join(lines, "\n"), "integrity.differs file="+path+" reason="+string(why))
	lines, err = b.start()
	require.Error(b.t, err)
	require.Len(b.t, lines, 1, "it is recorded once")
	require.Contains(b.t, lines[0], "integrity.compared reason=")
	return m.Differs[0]
}
