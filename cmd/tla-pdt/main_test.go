package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/cmd/internal/cli"
	"tlagate/pdt"
	"tlagate/pki"
	"tlagate/pki/pkitest"
	"tlagate/session/ahead"
)

// patience is the time for what must happen, however slow the machine is.
const patience = 2 * time.Minute

const urn = "urn:tlagate:cabinet:pdt:poste1"

// command runs tla-pdt in this process.
func command(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	app := &cli.App{Context: ctx, Stdout: &out, Stderr: &errs}
	code = cli.Run(app, "tla-pdt", args, &grammar{}, nil)
	return code, out.String(), errs.String()
}

// deployment writes certificates and a configuration whose gateway does not exist.
func deployment(t *testing.T, extra string) (config string) {
	dir := t.TempDir()
	ca := pkitest.New(t)
	ca.WriteTrust(dir)
	pkitest.WriteCertificate(t, dir, "client", ca.Issue(urn, x509.ExtKeyUsageClientAuth))
	pkitest.WriteCertificate(t, dir, "server", ca.Issue(urn, x509.ExtKeyUsageServerAuth))
	text := `gateways: ["localhost:1"]
client: {cert: client.pem, key: client.key}
server: {cert: server.pem, key: server.key}
trust: {anchors: [{file: root.pem, practices: ["*"]}], crls: [root.crl, issuing.crl]}
status: run/s
` + extra
	config = filepath.Join(dir, "pdt.yaml")
	require.NoError(t, os.WriteFile(config, []byte(text), 0o600))
	return config
}

func TestRunAndStatus(t *testing.T) {
	config := deployment(t, "")
	code, _, stderr := command(t.Context(), "status", "-c", config)
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "is it running?")

	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan int, 1)
	go func() { code, _, _ := command(ctx, "run", "-c", config); ended <- code }()
	var stdout string
	require.Eventually(t, func() bool {
		code, stdout, stderr = command(t.Context(), "status", "--json", "-c", config)
		return stdout != ""
	}, patience, 10*time.Millisecond)
	require.Equal(t, 1, code, "without a gateway it is not healthy")
	require.Empty(t, stderr)
	var st pdt.Status
	require.NoError(t, json.Unmarshal([]byte(stdout), &st))
	require.Equal(t, urn, st.Identity)
	require.Len(t, st.Certificates, 2)
	info, err := os.Stat(filepath.Join(filepath.Dir(config), "run/s"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o660), info.Mode().Perm())

	_, stdout, _ = command(t.Context(), "status", "-c", config)
	for _, want := range []string{urn, "session", "none", "vitale card", "absent", "PROBLEM",
		"No gateway has a parked link"} {
		require.Contains(t, stdout, want)
	}
	stop()
	require.Equal(t, 0, <-ended)
}

func TestConfigurationIsRefused(t *testing.T) {
	for extra, want := range map[string]string{
		"heartbeat: -1s":                         "negative",
		"listen: x":                              `unknown key "listen"`,
		"access: {tlas: [x]}":                    "access.tlas",
		fmt.Sprintf("access: {tlas: [%q]}", urn): "want a tla",
	} {
		code, _, stderr := command(t.Context(), "run", "-c", deployment(t, extra))
		require.Equal(t, 2, code)
		require.Contains(t, stderr, want)
	}
}

func TestExampleIsReadable(t *testing.T) {
	c, err := configFlag{Config: "../../deploy/examples/pdt.yaml"}.load()
	require.NoError(t, err)
	require.Equal(t, cli.Servers{"gw1.operateur.example:8443"}, c.Gateways)
}

func TestStatusTellsOfReadAhead(t *testing.T) {
	s := &pdt.SessionStatus{}
	require.Equal(t, "off, here or at the terminal", describeAhead(s))
	s.ReadAhead = 64
	require.Equal(t, "nothing yet", describeAhead(s))
	s.Ahead = &ahead.Counts{Sent: 9, Taken: 7, Dropped: 2}
	require.Equal(t, "9 answers, 7 taken by programs, 2 dropped", describeAhead(s))
}

func TestStatusInWords(t *testing.T) {
	now := time.Now()
	var out bytes.Buffer
	require.NoError(t, show(&out, &pdt.Status{
		Warnings: []string{"A certificate ends soon."},
		Since:    now.Add(-time.Minute),
		Gateways: []pdt.GatewayStatus{
			{Address: "gw:1", State: "parked", Parked: 2,
				TLS: &pki.Negotiated{Version: "TLS 1.3", Suite: "S", Group: "H"}},
			{Address: "gw:2", State: "waiting", RetryAt: now.Add(time.Second), Reason: "revoked",
				Error: "it is revoked"}},
		Session: &pdt.SessionStatus{ID: "abc", TLA: "t", Since: now.Add(-time.Hour), Gateway: "gw:1", Commands: 40,
			Resets: 2, TLS: pki.Negotiated{Version: "TLS 1.3", Suite: "S", Group: "G", Signature: "by"}},
		Slots: []pdt.SlotStatus{
			{Role: "vitale", Card: true, ATR: "3B00", Driver: &pdt.DriverState{Shown: true, Asked: true}},
			{Role: "cps", Card: true, ATR: "3B01", Driver: &pdt.DriverState{Shown: true}},
			{Role: "cps", Card: true, ATR: "3B02", Driver: &pdt.DriverState{}},
			{Role: "cps", Card: true, ATR: "3B03", Driver: &pdt.DriverState{Connected: true, Shown: true,
				Error: "taken"}},
			{Role: "cps", Driver: &pdt.DriverState{Error: "refused"}}},
	}, now))
	for _, want := range []string{"running for   1m0s", "gateway gw:1  parked, 2 links, TLS 1.3, H, S\n",
		"waiting, next attempt in 1s; last failure: it is revoked (revoked)",
		"abc of t for 1h0m0s through gw:1, 40 commands, 2 resets, TLS 1.3, G, S, by\n",
		"present, ATR 3B00, shown to programs\n",
		"ATR 3B01, shown to programs, no program has asked yet", "ATR 3B02, no driver is connected",
		"absent, driver cannot be reached", "ATR 3B03, shown to programs, no program has asked yet",
		"WARNING", "A certificate ends soon."} {
		require.Contains(t, out.String(), want)
	}
}

// TestStatusOfAStranger: what listens at the socket may be something else than tla-pdt.
func TestStatusOfAStranger(t *testing.T) {
	const evil = "x\x1b[2J\nPROBLEM  none\u202e"
	var out bytes.Buffer
	require.NoError(t, show(&out, &pdt.Status{Identity: evil, Problems: []string{evil},
		Gateways: []pdt.GatewayStatus{{Address: evil, State: evil}}, Slots: []pdt.SlotStatus{{Role: evil, ATR: evil}},
	}, time.Now()))
	require.NotContains(t, out.String(), "\x1b")
	require.NotContains(t, out.String(), "\u202e")
	require.NotRegexp(t, "(?m)^PROBLEM  none", out.String())
}
