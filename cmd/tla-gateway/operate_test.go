package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/stretchr/testify/require"

	"tlagate/audit/export"
	"tlagate/gateway/api"
	"tlagate/pki/pkitest"
)

const claire = "urn:tlagate:op:admin:claire"

// operated serves a gateway with an API, at which Claire may look, deny and drain.
func operated(t *testing.T) *deployment {
	d := deploy(t)
	pkitest.WriteCertificate(t, d.dir, "claire", d.ca.Issue(claire, x509.ExtKeyUsageClientAuth))
	d.configure(goodConfig + "audit: audit.jsonl\napi:\n  socket: api.sock\n  tls_socket: tls.sock\n" +
		"  admins: [{identity: \"" + claire + "\", roles: [read, operate, security, audit]}]\n")
	s := d.serve()
	s.address()
	t.Cleanup(func() { s.stopped() })
	return d
}

// ask runs a command of an operator.
func (d *deployment) ask(args ...string) (code int, out, errs string) {
	var o, e output
	code = command(context.Background(), &o, &e, append(args, "--config", d.config)...)
	return code, o.String(), e.String()
}

func (d *deployment) asClaire(args ...string) (code int, out, errs string) {
	cert, key := filepath.Join(d.dir, "claire.pem"), filepath.Join(d.dir, "claire.key")
	return d.ask(append(args, "--cert", cert, "--key", key)...)
}

// TestSP3Commands: over the socket one may look, and with a certificate act.
func TestSP3Commands(t *testing.T) {
	d := operated(t)
	for _, name := range []string{"sessions", "peers", "parked", "refusals", "denials", "whoami"} {
		code, out, errs := d.ask(name)
		require.Zero(t, code, "%s: %s", name, errs)
		require.NotEmpty(t, out)
		code, out, errs = d.asClaire(name, "--json")
		require.Zero(t, code, "%s: %s", name, errs)
		require.True(t, json.Valid([]byte(out)), out)
	}
	code, _, errs := d.ask("deny", tla1, "--reason", "case 12")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "This takes the role security. Over the socket there is the role read alone")
	code, out, errs := d.asClaire("deny", tla1, "--reason", "case 12")
	require.Zero(t, code, errs)
	require.Equal(t, "done: deny, by "+claire+"\n", out)
	_, out, _ = d.ask("denials")
	require.Contains(t, out, "cab1:tla:t1")
	require.Contains(t, out, "op:admin:claire")
	code, _, errs = d.asClaire("allow", tla1, "--reason", "found")
	require.Zero(t, code, errs)
	for _, act := range []string{"drain", "resume"} {
		code, _, errs = d.asClaire(act, "--reason", "new kernel")
		require.Zero(t, code, errs)
	}
	code, _, errs = d.asClaire("resume", "--reason", "again")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "The gateway is not draining. (conflict)")
	code, _, errs = d.asClaire("session", "end", "none", "--reason", "x")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "(not_found)")
	code, _, errs = d.asClaire("drain")
	require.Equal(t, 2, code, errs)
	require.Len(t, d.trace("operator.act"), 4)
	require.Equal(t, claire, d.trace("operator.act")[0].By)
}

// TestSA2TheTraceFromAfar: an auditor searches the trace and exports from it with a certificate, and both are in it.
func TestSA2TheTraceFromAfar(t *testing.T) {
	d := operated(t)
	code, out, errs := d.asClaire("audit", "search", "--event", "program.*")
	require.Zero(t, code, errs)
	require.Contains(t, out, "program.start")
	require.Eventually(t, func() bool { // the line of the first search is written after its answer
		code, out, errs = d.asClaire("audit", "search", "--event", "operator.act", "--json")
		return code == 0 && strings.Contains(out, `"act":"search"`)
	}, patience, patience/1000, errs)
	code, _, errs = d.asClaire("audit", "search", "--limit", "501")
	require.Equal(t, 2, code, errs)
	code, _, errs = d.asClaire("audit", "search", "--file", "copy.jsonl")
	require.Equal(t, 2, code, errs)

	key, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "trace.age")
	args := []string{"audit", "export", "--to", key.Recipient().String(), "--reason", "yearly review", "-o", file}
	code, out, errs = d.asClaire(args...)
	require.Zero(t, code, errs)
	require.Contains(t, out, "one range of the chain")
	code, _, errs = d.asClaire(args...)
	require.NotZero(t, code, "the file is there")
	sealed, err := os.Open(file)
	require.NoError(t, err)
	defer sealed.Close()
	plain, err := age.Decrypt(sealed, key)
	require.NoError(t, err)
	_, report, err := export.Verify(plain)
	require.NoError(t, err)
	require.Positive(t, report.Lines)
	acts := d.trace("operator.act")
	require.Equal(t, []string{claire, "export", "yearly review"},
		[]string{acts[len(acts)-1].By, acts[len(acts)-1].With["act"], acts[len(acts)-1].With["reason"]})
}

// TestSP3BrokenGlassIsShown: what root does without a certificate is what check says.
func TestSP3BrokenGlassIsShown(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("this is about root")
	}
	d := operated(t)
	_, out, _ := d.ask("check")
	require.NotContains(t, out, "broke the glass")
	code, out, errs := d.ask("drain", "--break-glass", "all cards are lost")
	require.Zero(t, code, errs)
	require.Contains(t, out, "by "+api.BreakGlass)
	_, out, _ = d.ask("check")
	require.Contains(t, out, `root broke the glass, 1 times in the last 30 days`)
	require.Contains(t, out, `drain, for "all cards are lost"`)
	require.Contains(t, out, claire+" has the roles")
}

// TestSP3AdminsAreReadAgain: a role that the configuration takes away is gone without a restart.
func TestSP3AdminsAreReadAgain(t *testing.T) {
	d := operated(t)
	code, _, errs := d.asClaire("deny", tla1, "--reason", "case 12")
	require.Zero(t, code, errs)
	text, err := os.ReadFile(d.config)
	require.NoError(t, err)
	d.configure(strings.Replace(string(text), "read, operate, security, audit", "read", 1))
	require.Eventually(t, func() bool {
		code, _, errs = d.asClaire("allow", tla1, "--reason", "found")
		return code == 1 && strings.Contains(errs, "role_required")
	}, patience, patience/1000)
}

// TestSP3BadSections: an API for the wrong people is not served.
func TestSP3BadSections(t *testing.T) {
	d := deploy(t)
	for section, want := range map[string]string{
		"{}":                                     "served nowhere",
		"{socket: a.sock, tls_socket: a.sock}":   "must be two",
		"{listen: nowhere}":                      "api.listen",
		"{socket: a, group: no-such-group-here}": "no such group",
		"{socket: a, admins: [{identity: " + `"` + tla1 + `"` + ", roles: [read]}]}":   "want a certificate of role admin",
		"{socket: a, admins: [{identity: " + `"` + claire + `"` + ", roles: [root]}]}": `there is no role "root"`,
		"{socket: a, admins: [{identity: " + `"` + claire + `"` + "}]}":                "has none",
	} {
		d.configure(goodConfig + "api: " + section + "\n")
		_, _, err := load(d.config)
		require.ErrorContains(t, err, want, section)
	}
}
