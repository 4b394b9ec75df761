package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"filippo.io/age"
	"github.com/stretchr/testify/require"

	"tlagate/audit/export"
	"tlagate/cmd/internal/cli"
	"tlagate/gateway"
	"tlagate/gateway/api"
	"tlagate/gateway/api/client"
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
	for _, name := range []string{"status", "sessions", "peers", "parked", "refusals", "denials", "whoami"} {
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
	require.Equal(t, "done: deny, by "+claire+
		"\nbut: no device of that name has been seen here; compare it with those of tla-gateway peers\n", out)
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

// TestG7UnknownNamesAreTold: a slip does not look like an empty list, on which the answer stays what it was.
func TestG7UnknownNamesAreTold(t *testing.T) {
	d := operated(t)
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"sessions", "--practice", "cab9"}, "no device of the practice cab9 has been seen here"},
		{[]string{"sessions", "--pdt", "cab9:pdt:p"}, "no device of the identity cab9:pdt:p has been seen here"},
		{[]string{"peers", "--practice", "cab9"}, "no device of the practice cab9"},
		{[]string{"peers", "--identity", "cab9:tla:t"}, "no device of the identity cab9:tla:t"},
		{[]string{"refusals", "--practice", "cab9"}, "no device of the practice cab9"},
		{[]string{"audit", "search", "--practice", "cab9"}, "no line fits"},
	} {
		code, out, errs := d.asClaire(append(c.args, "--json")...)
		require.Zero(t, code, errs)
		require.Contains(t, errs, c.says, c.args)
		require.Contains(t, []string{"", "[]\n"}, out)
	}
	for _, args := range [][]string{{"sessions"}, {"sessions", "--since", "1h"}, {"refusals"}} {
		_, _, errs := d.asClaire(args...)
		require.NotContains(t, errs, "has been seen", args)
	}
}

// TestG7WhatTablesPrintIsTaken: an identity may be typed as the tables print it, and a time as for the trace.
func TestG7WhatTablesPrintIsTaken(t *testing.T) {
	d := operated(t)
	for _, act := range []string{"deny", "allow"} {
		code, _, errs := d.asClaire(act, "cab1:tla:*", "--reason", "case 12")
		require.Zero(t, code, errs)
	}
	for _, args := range [][]string{{"sessions", "--identity", "cab1:tla:t1", "--pdt", "cab1:pdt:p1", "--since", "36h"},
		{"peers", "--since", "2026-11-24"}, {"refusals", "--since", "30d"},
		{"audit", "search", "--identity", "cab1:tla:t1"}} {
		code, _, errs := d.asClaire(args...)
		require.Zero(t, code, "%v: %s", args, errs)
	}
	for _, name := range []string{"sessions", "peers", "refusals"} {
		code, _, errs := d.asClaire(name, "--since", "yesterday")
		require.Equal(t, 2, code)
		require.Contains(t, errs, "want 2026-11-24, 2026-11-24T08:30:00Z, 36h or 30d")
	}
	code, _, errs := d.asClaire("sessions", "--identity", "t1")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "wants a whole identity, urn:tlagate:PRACTICE:ROLE:NAME")
}

// TestSP3StatusSaysWhetherItServes: before, while and after a gateway drains.
func TestSP3StatusSaysWhetherItServes(t *testing.T) {
	d := operated(t)
	for _, step := range []struct{ act, state string }{{"", "serving"}, {"drain", "draining"}, {"resume", "serving"}} {
		if step.act != "" {
			args := []string{step.act, "--reason", "new kernel"}
			if step.act == "drain" {
				args = append(args, "--wait")
			}
			code, _, errs := d.asClaire(args...)
			require.Zero(t, code, errs)
		}
		_, out, _ := d.ask("status")
		require.Regexp(t, `state +`+step.state, out)
		require.Regexp(t, `sessions +0`, out)
		require.Contains(t, out, " revoked, until ")
	}
}

// TestSP3DrainWaitsForTheSessions: it asks until none is left.
func TestSP3DrainWaitsForTheSessions(t *testing.T) {
	left := 2
	socket := answering(t, func(w http.ResponseWriter) {
		_, _ = fmt.Fprintf(w, `{"gateways":[{"sessions":%d}]}`, left)
		left--
	})
	c := client.Local(socket, "")
	defer c.Close()
	require.NoError(t, drained(&cli.App{Context: t.Context()}, c))
	require.Equal(t, -1, left)
}

// TestSP3ACertificateThatIsNoOperators is refused before the gateway is asked, which tells strangers nothing.
func TestSP3ACertificateThatIsNoOperators(t *testing.T) {
	d := operated(t)
	cert, key := pkitest.WriteCertificate(t, d.dir, "terminal", d.ca.Issue(tla1, x509.ExtKeyUsageClientAuth))
	code, _, errs := d.ask("whoami", "--cert", cert, "--key", key)
	require.Equal(t, 2, code)
	require.Contains(t, errs, "it is that of a tla, and people have one of role admin")
	code, _, errs = d.ask("whoami", "--operator", filepath.Join(d.dir, "none.yaml"))
	require.Equal(t, 2, code)
	require.Contains(t, errs, "cannot read the operator's file")
	code, _, errs = d.ask("whoami", "--socket", filepath.Join(d.dir, "none.sock"))
	require.Equal(t, 1, code)
	require.Contains(t, errs, "does tla-gateway run there")
}

// TestG7TablesFitOn80Columns: with names of the usual length.
func TestG7TablesFitOn80Columns(t *testing.T) {
	at := time.Date(2026, 11, 24, 8, 30, 0, 0, time.UTC)
	usual := gateway.SessionInfo{ID: strings.Repeat("0f", 16), TLA: "urn:tlagate:cabinet-demo:tla:valise",
		PdT: "urn:tlagate:cabinet-demo:pdt:bureau", Practice: "cabinet-demo", Opened: at, Length: 59 * 60,
		LastData: at.Add(58 * time.Minute)}
	elsewhere := usual
	elsewhere.PdT = "urn:tlagate:cab2:pdt:p1"
	late := gateway.PeerInfo{Identity: usual.TLA, Address: "255.255.255.255", Version: "0.10.0", LastSeen: at,
		CertificateEnd: at, Denied: true, Outdated: true}
	asked := gateway.RefusalInfo{At: at, Identity: usual.TLA, Proven: true, Address: late.Address, Reason: "pdt_absent",
		Incident: "K7M2"}
	claims := gateway.RefusalInfo{At: at, Identity: usual.TLA, Address: late.Address, Reason: "handshake_failed"}
	refusals := drawn(t, func(shown *table) { shown.refusals([]gateway.RefusalInfo{asked, claims, {At: at}}) })
	require.Contains(t, refusals, "  cabinet-demo:tla:valise    255.255.255.255  pdt_absent, K7M2\n")
	require.Contains(t, refusals, "  (cabinet-demo:tla:valise)  255.255.255.255  handshake_failed\n")
	parked := drawn(t, func(shown *table) {
		shown.parked([]gateway.ParkedInfo{{PdT: usual.PdT, Since: at, Heard: at, Address: late.Address}})
	})
	sessions := drawn(t, func(shown *table) { shown.sessions([]gateway.SessionInfo{usual}) })
	peers := drawn(t, func(shown *table) { shown.peers([]gateway.PeerInfo{late}) })
	require.Contains(t, peers, "2026-11-24  denied, version outdated\n")
	remarks := strings.NewReplacer("REMARK", "", "denied, version outdated", "")
	for line := range strings.Lines(sessions + refusals + parked + remarks.Replace(peers)) {
		require.LessOrEqual(t, len(strings.TrimRight(line, " \n")), 80, line)
	}
	require.Regexp(t, `  bureau  59 min  1 min\n$`, sessions)
	require.Contains(t, drawn(t, func(shown *table) { shown.sessions([]gateway.SessionInfo{elsewhere}) }),
		"  cab2:pdt:p1  ")
}

// drawn returns a table.
func drawn(t *testing.T, fill func(*table)) string {
	var out strings.Builder
	shown := &table{out: tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)}
	fill(shown)
	require.NoError(t, shown.out.Flush())
	return out.String()
}

// TestSA1EventsForPeople: a line each; a word that a device chose stays one word.
func TestSA1EventsForPeople(t *testing.T) {
	data := []byte(`{"id":7,"at":"2026-11-24T08:30:00Z","event":"act","identity":"urn:tlagate:cab1:tla:t1",` +
		`"reason":"case 12","act":"deny","who":"` + claire + `"}`)
	require.Equal(t, `2026-11-24T08:30:00Z  act              act=deny  by=op:admin:claire  identity=cab1:tla:t1  `+
		`reason="case 12"`, (&eventsCmd{}).line(data))
	require.Equal(t, string(data), (&eventsCmd{view: view{JSON: true}}).line(data))
}

// TestSA1EventsGoOnWhereTheyEnded: who lost the stream is told how to miss nothing.
func TestSA1EventsGoOnWhereTheyEnded(t *testing.T) {
	socket := answering(t, func(w http.ResponseWriter) {
		_, _ = fmt.Fprint(w, "id: 7\nevent: act\ndata: {\"id\":7}\n\n")
	})
	var out output
	e := &eventsCmd{view: view{reach: reach{Socket: socket}}}
	err := e.Run(&cli.App{Context: t.Context(), Stdout: &out})
	require.ErrorContains(t, err, "the gateway ended the stream; what comes next is behind --after 7")
}

// answering serves a socket of a gateway, and returns its path.
func answering(t *testing.T, answer func(http.ResponseWriter)) (socket string) {
	socket = filepath.Join(t.TempDir(), "api.sock")
	listening, err := net.Listen("unix", socket)
	require.NoError(t, err)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w) })}
	t.Cleanup(func() { server.Close() })
	go func() { _ = server.Serve(listening) }()
	return socket
}

// TestSP3PeersAreExported: for a spreadsheet, and those alone whom somebody should look after.
func TestSP3PeersAreExported(t *testing.T) {
	d := operated(t)
	code, out, errs := d.asClaire("peers", "--csv")
	require.Zero(t, code, errs)
	require.True(t, strings.HasPrefix(out, "identity,role,practice,"), out)
	code, _, errs = d.asClaire("peers", "--csv", "--json")
	require.Equal(t, 2, code, errs)
	here, late := gateway.PeerInfo{Connected: true}, gateway.PeerInfo{RenewalLate: true}
	for _, one := range []struct{ here, remark, wantHere, wantLate bool }{{false, false, true, true},
		{true, false, true, false}, {false, true, false, true}, {true, true, false, false}} {
		p := &peersCmd{Here: one.here, Remark: one.remark}
		require.Equal(t, one.wantHere, !p.leavesOut(here), one)
		require.Equal(t, one.wantLate, !p.leavesOut(late), one)
	}
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

// TestSA2TheTraceIsHeldFromAfar: by a security officer's certificate, or by the account on the gateway.
func TestSA2TheTraceIsHeldFromAfar(t *testing.T) {
	d := operated(t)
	code, out, errs := d.asClaire("audit", "hold", "--reason", "case 17")
	require.Zero(t, code, errs)
	require.Equal(t, "done: hold, by "+claire+"\n", out)
	_, out, _ = d.ask("status")
	require.Contains(t, out, "nothing is purged, held since ")
	code, _, errs = d.asClaire("audit", "hold", "--reason", "case 17")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "(conflict)")
	code, _, errs = d.ask("audit", "release")
	require.Equal(t, 2, code, errs)
	code, out, errs = d.ask("audit", "release", "--reason", "closed")
	require.Zero(t, code, errs)
	require.Equal(t, "What is old enough is purged again.\n", out)
	code, _, errs = d.asClaire("audit", "release", "--reason", "closed")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "(conflict)")
}

// TestG7AnOperatorIsToldWhatIsMissing: lists to judge the gateway by, or a line of its configuration.
func TestG7AnOperatorIsToldWhatIsMissing(t *testing.T) {
	d := operated(t)
	code, _, errs := d.asClaire("whoami", "--gateway", "unix:"+filepath.Join(d.dir, "tls.sock"), "--anchor",
		filepath.Join(d.dir, "root.pem"))
	require.Equal(t, 1, code)
	require.Contains(t, errs, "name that CA's lists: --crl")
	cert, key := pkitest.WriteCertificate(t, d.dir, "nobody", d.ca.Issue("urn:tlagate:op:admin:nobody",
		x509.ExtKeyUsageClientAuth))
	code, out, errs := d.ask("whoami", "--cert", cert, "--key", key)
	require.Zero(t, code, errs)
	require.Contains(t, out, "none: the gateway's configuration names it in no line of api.admins")
}

// TestSP3BrokenGlassIsShown: what root does without a certificate is what check says.
func TestSP3BrokenGlassIsShown(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("this is about root")
	}
	d := operated(t)
	_, out, _ := d.ask("check")
	require.NotContains(t, out, "broke the glass")
	code, _, errs := d.ask("drain", "--break-glass", "all cards are lost", "--reason", "case 1")
	require.Equal(t, 2, code)
	require.Contains(t, errs, "cannot use --reason with --break-glass", "one of both would be in no trace")
	code, out, errs = d.ask("drain", "--break-glass", "all cards are lost")
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

// TestSP3AdministratorsAreReadAgain: who is taken out of the configuration, with the whole section too, may do nothing
// any more; who comes back with it, may.
func TestSP3AdministratorsAreReadAgain(t *testing.T) {
	d := operated(t)
	text, err := os.ReadFile(d.config)
	require.NoError(t, err)
	may := func(want int, says string) {
		t.Helper()
		require.Eventually(t, func() bool {
			code, _, errs := d.asClaire("drain", "--reason", "x")
			return code == want && strings.Contains(errs, says)
		}, patience, 50*time.Millisecond)
	}
	may(0, "")
	for range 2 {
		whole, _, _ := strings.Cut(string(text), "api:")
		served := filepath.Join(d.dir, "served.yaml") // what commands read, since the gateway goes on to serve there
		require.NoError(t, os.WriteFile(served, text, 0o600))
		d.configure(whole)
		running := d.config
		d.config = served
		may(1, "role_required")
		d.config = running
		d.configure(string(text))
		may(0, "")
	}
}
