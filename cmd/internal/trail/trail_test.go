package trail

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
	"tlagate/cmd/internal/cli"
	"tlagate/keys"
	"tlagate/pki/pkitest"
	"tlagate/pki/revocation"
	"tlagate/pki/trust"
)

// bed is a program with a trace, a pair and a trust store.
type bed struct {
	t      *testing.T
	dir    string
	ca     *pkitest.PKI
	files  pkitest.Files
	log    bytes.Buffer
	trail  *Trail
	id     cli.Identity
	trust  *trust.Trust
	keys   *cli.Keys
	trace  string
	passed int
}

func newBed(t *testing.T) *bed {
	b := &bed{t: t, dir: t.TempDir(), ca: pkitest.New(t)}
	b.files = b.ca.WriteTrust(b.dir)
	b.trace = filepath.Join(b.dir, "audit.jsonl")
	b.issue()
	app := &cli.App{Context: context.Background(), Log: slog.New(slog.NewTextHandler(&b.log, nil))}
	var err error
	b.trail, err = Open(app, "tla-test", cli.Path(b.trace))
	require.NoError(t, err)
	return b
}

func (b *bed) issue() {
	cert, key := pkitest.WriteCertificate(b.t, b.dir, "t1",
		b.ca.Issue("urn:tlagate:cab1:tla:t1", x509.ExtKeyUsageClientAuth))
	b.id = cli.Identity{Cert: cli.Path(cert), Key: keys.Spec(key)}
}

func (b *bed) open() {
	var err error
	b.keys, err = b.trail.Keys("client", b.id)
	require.NoError(b.t, err)
	b.trust, err = trust.Open(b.trail.Trust(trust.Config{Anchors: []trust.AnchorFile{{File: b.files.Anchor,
		Practices: []string{"*"}}}, Revocation: revocation.Config{CRLs: b.files.CRLs()}}))
	require.NoError(b.t, err)
}

// news returns the entries since the last call.
func (b *bed) news() (list []audit.Entry) {
	n := 0
	for line, err := range audit.Read(b.trace) {
		require.NoError(b.t, err)
		require.NoError(b.t, line.Err)
		if n++; n > b.passed {
			list = append(list, line.Entry)
		}
	}
	b.passed = n
	return list
}

func kindsOf(list []audit.Entry) (kinds []audit.Kind) {
	for _, e := range list {
		kinds = append(kinds, e.Event)
	}
	return kinds
}

// unwritable makes every record fail, or no longer.
func (b *bed) unwritable(on bool) {
	mode := map[bool]os.FileMode{true: 0o666, false: 0o600}[on]
	require.NoError(b.t, os.Chmod(b.trace, mode))
}

func TestEL1LoadsAndChangesAreRecorded(t *testing.T) {
	b := newBed(t)
	b.open()
	got := b.news()
	require.Equal(t, []audit.Kind{audit.KeyLoaded, audit.CertificateLoaded, audit.AnchorLoaded}, kindsOf(got))
	leaf := b.keys.Certificate().Leaf
	require.Equal(t, map[string]string{"use": "client", "file": string(b.id.Cert), "serial": leaf.SerialNumber.Text(16),
		"identity":    "urn:tlagate:cab1:tla:t1",
		"fingerprint": got[1].With["fingerprint"], "until": got[1].With["until"]}, got[1].With)
	require.Equal(t, b.files.Anchor, got[2].With["file"])
	require.Equal(t, "tla-test", got[2].By)

	require.NoError(t, b.keys.Reload())
	b.trust.Reload()
	require.Empty(t, b.news(), "nothing has changed")
	b.issue()
	require.NoError(t, b.keys.Reload())
	got = b.news()
	require.Equal(t, []audit.Kind{audit.KeyReplaced, audit.CertificateChanged}, kindsOf(got))
	require.Equal(t, leaf.SerialNumber.Text(16), got[1].With["from"])
	require.Equal(t, b.keys.Certificate().Leaf.SerialNumber.Text(16), got[1].With["to"])

	other := pkitest.NewNamed(t, "TEST second")
	pkitest.WriteCertificates(t, b.files.Anchor, b.ca.Root.Cert, other.Root.Cert)
	b.trust.Reload()
	got = b.news()
	require.Equal(t, []audit.Kind{audit.AnchorChanged}, kindsOf(got))
	require.Contains(t, got[0].With["reason"], "added")
	pkitest.WriteCertificates(t, b.files.Anchor, other.Root.Cert)
	b.trust.Reload()
	got = b.news()
	require.Equal(t, []audit.Kind{audit.AnchorChanged}, kindsOf(got))
	require.Contains(t, got[0].With["reason"], "removed")
	require.Contains(t, got[0].With["identity"], b.ca.Root.Cert.Subject.CommonName)
}

// TestEL1UnwritableTraceRefuses: no key, certificate or anchor that cannot be recorded is used; a change that only
// takes trust away is made all the same.
func TestEL1UnwritableTraceRefuses(t *testing.T) {
	b := newBed(t)
	b.unwritable(true)
	_, err := b.trail.Keys("client", b.id)
	require.ErrorContains(t, err, "cannot record key.loaded")
	err = b.trail.During(Machine{}, func() error { t.Error("it ran"); return nil })
	require.ErrorContains(t, err, "cannot record program.start")
	b.unwritable(false)
	b.open()
	other := pkitest.NewNamed(t, "TEST second")
	pkitest.WriteCertificates(t, b.files.Anchor, b.ca.Root.Cert, other.Root.Cert)
	b.trust.Reload()
	b.news()
	first := b.keys.Certificate()

	b.unwritable(true)
	b.issue()
	require.ErrorContains(t, b.keys.Reload(), "cannot record")
	require.Same(t, first, b.keys.Certificate())
	third := pkitest.NewNamed(t, "TEST third")
	pkitest.WriteCertificates(t, b.files.Anchor, b.ca.Root.Cert, other.Root.Cert, third.Root.Cert)
	b.trust.Reload()
	require.Len(t, b.trust.Anchors(), 2)
	pkitest.WriteCertificates(t, b.files.Anchor, b.ca.Root.Cert)
	b.trust.Reload()
	require.Len(t, b.trust.Anchors(), 1, "a distrusted anchor goes at once")
	require.Contains(t, b.log.String(), "an anchor is removed, and that is not in the audit trace")
	b.unwritable(false)
	require.NoError(t, b.keys.Reload())
	require.NotSame(t, first, b.keys.Certificate())
}

func TestEL1StartAndStop(t *testing.T) {
	b := newBed(t)
	failure := errors.New("secret 1234")
	require.ErrorIs(t, b.trail.During(Machine{}, func() error { return failure }), failure)
	require.NoError(t, b.trail.During(Machine{}, func() error { return nil }))
	got := b.news()
	require.Equal(t, []audit.Kind{audit.ProgramStart, audit.ProgramStop, audit.ProgramStart, audit.ProgramStop},
		kindsOf(got))
	require.NotEmpty(t, got[0].With["version"])
	require.Equal(t, "it failed; its log says why", got[1].With["reason"])
	require.Equal(t, "it was told to stop", got[3].With["reason"])

	require.NoError(t, os.Remove(string(b.id.Key)))
	_, err := b.trail.Keys("client", b.id)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.Equal(t, []audit.Kind{audit.KeyFailed}, kindsOf(b.news()))
}

func TestNoTrace(t *testing.T) {
	b := newBed(t)
	var err error
	b.trail, err = Open(b.trail.app, "tla-test", "")
	require.NoError(t, err)
	require.Contains(t, b.log.String(), "no audit trace is kept")
	b.open()
	require.NoError(t, b.trail.During(Machine{}, func() error { return nil }))
}

// place is a program's way to its trace.
type place struct {
	Config string
}

func (p place) AuditFile() (string, error) { return p.Config, nil }

type grammar struct {
	Audit Command[place] `cmd:""`
}

// stdin is what run's commands read.
var stdin = bytes.NewReader(nil)

// run runs an audit command.
func run(args ...string) (code int, out, errs string) {
	var o, e bytes.Buffer
	app := &cli.App{Context: context.Background(), Stdin: stdin, Stdout: &o, Stderr: &e}
	code = cli.Run(app, "prog", append([]string{"audit"}, args...), &grammar{}, nil)
	return code, o.String(), e.String()
}

func TestEL1Commands(t *testing.T) {
	b := newBed(t)
	require.NoError(t, b.trail.During(Machine{}, func() error { b.open(); return nil }))
	code, out, errs := run("verify", "--config", b.trace)
	require.Equal(t, []any{0, ""}, []any{code, errs})
	require.Contains(t, out, "5 lines of 1 files are one chain, 1 to 5, from ")
	code, out, _ = run("show", "--file", b.trace)
	require.Zero(t, code)
	require.Equal(t, 5, strings.Count(out, "\n"))
	require.Contains(t, out, "      2  key.loaded  by tla-test  file="+string(b.id.Key)+"  fingerprint=")
	code, out, _ = run("show", "--file", b.trace, "--event", "key.*", "--event=program.stop", "--since", "1h")
	require.Zero(t, code)
	require.Equal(t, 2, strings.Count(out, "\n"))
	code, out, _ = run("show", "--file", b.trace, "--json", "--event", "program.start")
	require.Zero(t, code)
	require.Regexp(t, `^\{"seq":1,.*\}\n$`, out)
	for _, args := range [][]string{{"--since", "2999-01-01"}, {"--since", "2999-01-01T00:00:00Z"}} {
		code, out, _ = run(append([]string{"show", "--file", b.trace}, args...)...)
		require.Equal(t, []any{0, ""}, []any{code, out})
	}
	for _, args := range [][]string{{"show"}, {"verify"}, {"verify", "--file", b.trace + "x"},
		{"show", "--file", b.trace + "x"},
		{"show", "--file", b.trace, "--since", "soon"}, {"show", "--file", b.trace, "--event", "kee.*"}} {
		code, _, errs := run(args...)
		require.Equal(t, 2, code, "%v: %s", args, errs)
	}

	raw, err := os.ReadFile(b.trace)
	require.NoError(t, err)
	lines := bytes.SplitAfter(raw, []byte("\n"))
	lines[2][20] ^= 1
	require.NoError(t, os.WriteFile(b.trace, bytes.Join(lines, nil), 0o600))
	code, out, errs = run("verify", "--file", b.trace)
	require.Equal(t, 1, code)
	require.Contains(t, errs, "prog: the audit trace is broken at line 3 of "+b.trace)
	require.Empty(t, out)
	lines[3] = []byte("\x1b[31mnonsense\n")
	require.NoError(t, os.WriteFile(b.trace, bytes.Join(lines, nil), 0o600))
	code, out, errs = run("show", "--file", b.trace)
	require.Equal(t, 1, code)
	require.Contains(t, errs, "line 4 cannot be read")
	require.NotContains(t, out+errs, "\x1b")
}

// TestSA2TroubleWithTheTrace: what keeps events out of the trace is in the status, not only in the log.
func TestSA2TroubleWithTheTrace(t *testing.T) {
	b := newBed(t)
	require.NoError(t, b.trail.Log.Record(audit.ProgramStart))
	require.Empty(t, b.trail.Trouble())
	b.unwritable(true)
	b.trail.Note(audit.ProgramStop)
	require.Contains(t, b.trail.Trouble(), "events are missing in the audit trace "+b.trace+": ")
	b.unwritable(false)
	b.trail.Note(audit.ProgramStop)
	require.Empty(t, b.trail.Trouble())
	require.Empty(t, (&Trail{}).Trouble())
}

// TestSA2RotationIsTold to one reader, and the log never waits for it.
func TestSA2RotationIsTold(t *testing.T) {
	b := newBed(t)
	b.trail.noteRotation()
	b.trail.noteRotation()
	<-b.trail.Rotated()
	require.Empty(t, b.trail.Rotated())
}
