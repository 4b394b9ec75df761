package integration

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
	"tlagate/integration/lab"
	"tlagate/integration/world"
	"tlagate/pki/pkitest"
)

// rsyslog is a SIEM for tests: rsyslog with GnuTLS, which demands a certificate of the lab's CA and writes each message
// as it came.
type rsyslog struct {
	t    *testing.T
	lab  *lab.Lab
	addr string
	got  string // file
	proc *world.Process
}

const rsyslogConfig = `global(workDirectory="%[1]s" maxMessageSize="128k" parser.escapeControlCharactersOnReceive="off"
  defaultNetstreamDriverCAFile="%[2]s" defaultNetstreamDriverCertFile="%[3]s" defaultNetstreamDriverKeyFile="%[4]s")
module(load="imtcp" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="x509/certvalid")
template(name="raw" type="string" string="%%rawmsg%%\n")
template(name="parts" type="string" string="%%pri%%|%%timereported:::date-rfc3339%%|%%app-name%%|%%procid%%|` +
	`%%msgid%%|%%structured-data%%|%%msg%%\n")
input(type="imtcp" address="127.0.0.1" port="%[5]s")
action(type="omfile" file="%[1]s/raw" template="raw")
action(type="omfile" file="%[1]s/parts" template="parts")
`

// layRsyslog lays one out, and returns it with the section of the gateway's configuration; nothing is started.
func layRsyslog(t *testing.T, l *lab.Lab) (r *rsyslog, section string) {
	t.Helper()
	if _, err := exec.LookPath("rsyslogd"); err != nil {
		t.Skip("rsyslog is not installed (Debian: rsyslog-gnutls): audit/siem is tested with a server of its own alone")
	}
	port, err := world.Port()
	require.NoError(t, err)
	dir := t.TempDir()
	ca := pkitest.NewRoot(t, "SIEM's root")
	cert, key := pkitest.WriteCertificate(t, dir, "siem", ca.Issue("", x509.ExtKeyUsageServerAuth,
		pkitest.DNS("siem.example")))
	pkitest.WriteCertificates(t, filepath.Join(dir, "root.pem"), ca.Cert)
	pkitest.WriteCRL(t, filepath.Join(dir, "root.crl"), ca.CRL())
	addr := world.Addr(port)
	_, only, _ := strings.Cut(addr, ":")
	text := fmt.Sprintf(rsyslogConfig, dir, l.GatewayTrust.Anchor, cert, key, only)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "rsyslog.conf"), []byte(text), 0o600))
	client, err := l.Issue("siem-client", "gateway-client", lab.Gateway)
	require.NoError(t, err)
	return &rsyslog{t: t, lab: l, addr: addr, got: filepath.Join(dir, "raw")},
		fmt.Sprintf("siem: {address: %q, name: siem.example, anchor: %s, crls: [%s], identity: {cert: %s, key: %s}}",
			addr, filepath.Join(dir, "root.pem"), filepath.Join(dir, "root.crl"), client.Cert, client.Key)
}

func (r *rsyslog) start() {
	r.t.Helper()
	dir := filepath.Dir(r.got)
	var err error
	r.proc, err = world.Start(world.Command{Path: "rsyslogd", Echo: r.lab.Echo, Args: []string{"-n", "-i",
		filepath.Join(dir, "pid"), "-f", filepath.Join(dir, "rsyslog.conf")}})
	require.NoError(r.t, err)
	r.t.Cleanup(r.kill)
}

func (r *rsyslog) kill() {
	r.proc.Kill()
	<-r.proc.Done()
	_ = os.Remove(filepath.Join(filepath.Dir(r.got), "pid"))
}

// numbers returns those of the lines that came, each once, and fails if one came before one that should precede it.
func (r *rsyslog) numbers() (last uint64) {
	raw, err := os.ReadFile(r.got)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(raw)) {
		_, text, _ := strings.Cut(line, `"] {`)
		var entry struct{ Seq uint64 }
		if json.Unmarshal([]byte("{"+text), &entry) != nil {
			return last // half written
		}
		require.LessOrEqual(r.t, entry.Seq, last+1, "a line is missing")
		last = max(last, entry.Seq)
	}
	return last
}

// awaitAll waits until it has the whole trace.
func (r *rsyslog) awaitAll(trace string) {
	r.t.Helper()
	_, lines := traced(r.t, trace, 0)
	require.NoError(r.t, world.Poll(patience, "the SIEM has the trace", func() error {
		if last := r.numbers(); last < uint64(lines) {
			return fmt.Errorf("it has %d lines of %d; it says %q", last, lines, r.proc.Lines())
		}
		return nil
	}))
}

// TestSA2SIEM: rsyslog gets each line of the gateway's trace, in order and with nothing missing, though it is away at
// the gateway's start and during a restart, and is killed in between. The gateway works all the while.
//
// Fault: the SIEM is away.
func TestSA2SIEM(t *testing.T) {
	l := layLab(t)
	siem, section := layRsyslog(t, l)
	trace := l.Path("audit.jsonl")
	before, err := audit.Open(audit.Config{File: trace, By: "tla-gateway", MaxSize: 32 << 10})
	require.NoError(t, err)
	for n := range 400 { // of former runs, over several files
		require.NoError(t, before.Record(audit.SessionEnded, audit.Count(n), audit.Reason(`what "breaks] it \ é`)))
	}
	metrics, scrapeIt := meter(t)
	start := func() {
		t.Helper()
		require.NoError(t, l.StartGateway("audit: "+trace, section, metrics))
	}
	start()
	becomes(t, scrapeIt, "tlagate_siem_waiting_lines", atLeast(401))
	require.Zero(t, scrapeIt(t)["tlagate_siem_up"])

	siem.start()
	siem.awaitAll(trace)
	becomes(t, scrapeIt, "tlagate_siem_waiting_lines", is(0))
	becomes(t, scrapeIt, "tlagate_siem_up", is(1))
	siem.requireUnderstood()

	siem.kill()
	becomes(t, scrapeIt, "tlagate_siem_up", is(0))
	require.NoError(t, l.GatewayProc.Stop())
	start()
	becomes(t, scrapeIt, "tlagate_siem_waiting_lines", atLeast(3))
	siem.start()
	siem.awaitAll(trace)
	require.NoError(t, l.GatewayProc.Stop())
	_, lines := traced(t, trace, 0)
	require.Positive(t, lines)
}

// requireUnderstood fails unless rsyslog has taken messages apart as they were meant.
func (r *rsyslog) requireUnderstood() {
	r.t.Helper()
	raw, err := os.ReadFile(filepath.Join(filepath.Dir(r.got), "parts"))
	require.NoError(r.t, err)
	lines := bytes.Split(raw, []byte("\n"))
	require.Regexp(r.t, regexp.MustCompile(`^110\|\d{4}-\d\d-\d\dT[^|]+\|tla-gateway\|\d+\|session\.ended\|`+
		regexp.QuoteMeta(`[tlagate@32473 seq="1" by="tla-gateway" count="0" reason="what \"breaks\] it \\ é"]|`)+
		` ?`+regexp.QuoteMeta(`{"seq":1,"at":"`)), string(lines[0]))
}
