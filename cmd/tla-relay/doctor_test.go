package main

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/doctor"
	"tlagate/tla"
)

func TestDoctorSaysWhatTheDocumentSays(t *testing.T) {
	text, err := os.ReadFile("../../docs/doctor.md")
	require.NoError(t, err)
	code, out, errs := run(t, "doctor", "--json", "--config", "../../deploy/examples/relay.yaml")
	require.Equal(t, []any{1, ""}, []any{code, errs}, "there is no key: %s", out)
	var list []doctor.Finding
	require.NoError(t, json.Unmarshal([]byte(out), &list))
	require.Greater(t, len(list), 15)
	for _, f := range list {
		name := regexp.MustCompile(` of identity$`).ReplaceAllString(f.Check, " of …")
		require.Contains(t, string(text), "\n| "+name+" |")
	}
}

// TestDoctorSaysAllThatIsWrongWithTheFile: it names each fault by itself, and examines the rest all the same.
func TestDoctorSaysAllThatIsWrongWithTheFile(t *testing.T) {
	found := func(text string) (wrong []string, checks int) {
		file := filepath.Join(t.TempDir(), "relay.yaml")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		_, out, _ := run(t, "doctor", "--json", "--config", file)
		var list []doctor.Finding
		require.NoError(t, json.Unmarshal([]byte(out), &list), out)
		for _, f := range list {
			if f.Check == "configuration" && f.State == doctor.Failure {
				wrong = append(wrong, f.Found)
			}
		}
		return wrong, len(list)
	}
	const rest = "identity: {cert: tla.crt, key: tla.key}\ntrust: {anchors: [{file: root.crt, practices: [\"*\"]}], " +
		"crls: [arl.pem]}\n"
	wrong, all := found("gateways: [gw.example:8443]\npdt: bureau\n" + rest)
	require.Empty(t, wrong)
	wrong, _ = found(rest)
	require.Len(t, wrong, 2, "%q: the relay refuses them", wrong)
	require.Contains(t, wrong[0], "without a gateway")
	require.Contains(t, wrong[1], "without a PdT")

	wrong, n := found("gatewais: [a]\ngateways: [\"gw:0\", \"192.0.2.7:8443\", \"bücher.example:1\"]\npdt: " +
		"\"urn:x\"\nheartbeat: soon\nproxy: \"ftp://p:1\"\n" +
		"limits: {absolute: 13h, human: 16m, grace: 2m}\ncontrol: {seat: chair}\nsandbox: perhaps\nrenewal: {at: 2}\n" +
		strings.Replace(rest, "[arl.pem]", "[\"HTTP://pki/crl\"]", 1))
	says := []string{`unknown key "gatewais"`, `gateways[0] "gw:0"`, "the server proves a name", "xn--", "urn:x",
		`"heartbeat" is no time`, "scheme ftp", "last 13h",
		"16m0s without its user", "2m0s for a lost link", "control.seat", "sandbox", "renewal.at", "fetches nothing"}
	require.Len(t, wrong, len(says), "%q", wrong)
	for _, want := range says {
		require.Contains(t, strings.Join(wrong, "\n"), want)
	}
	require.Equal(t, all+len(says)-1, n, "no other check was left out")
}

func TestDoctorWithoutAConfiguration(t *testing.T) {
	code, out, _ := run(t, "doctor", "--config", filepath.Join(t.TempDir(), "none.yaml"))
	require.Equal(t, 1, code)
	require.Regexp(t, `FAILURE +configuration +cannot read the configuration`, out)
	require.Regexp(t, `(?m)^\S+.* swap `, out, "the machine is looked at all the same")
}

func TestDoctorLooksAtTheControlSocket(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o755)) // whatever the umask: Debian 13's is 002
	file := filepath.Join(dir, "s")
	at := func(c control) doctor.State { return c.socket().State }
	c := control{Socket: cli.Path(file)}
	require.Equal(t, doctor.Warning, at(c), "none")
	l, err := net.Listen("unix", file)
	require.NoError(t, err)
	defer l.Close()
	require.NoError(t, os.Chmod(file, 0o660))
	require.Equal(t, doctor.OK, at(c))
	require.NoError(t, os.Chmod(file, 0o666))
	require.Equal(t, doctor.Failure, at(c), "for everybody")
	require.NoError(t, os.Chmod(file, 0o660))
	require.NoError(t, os.Chmod(dir, 0o777))
	require.Equal(t, doctor.Failure, at(c), "others may replace it")
	other := filepath.Join(t.TempDir(), "plain")
	require.NoError(t, os.WriteFile(other, nil, 0o600))
	require.Equal(t, doctor.Failure, at(control{Socket: cli.Path(other)}), "no socket")
}

// TestDoctorNamesTheIgnoredCard by its ATR.
func TestDoctorNamesTheIgnoredCard(t *testing.T) {
	in := func(use tla.Use, atr string) *tla.Status {
		return &tla.Status{Readers: []tla.ReaderStatus{{Name: "empty"},
			{Name: "A", Card: &tla.CardStatus{Use: use, ATR: atr}}}}
	}
	require.Equal(t, doctor.OK, ignored(in(tla.UseSlot, "")).State)
	for _, use := range []tla.Use{tla.UseUnknown, tla.UseNoRule} {
		f := ignored(in(use, "3B00"))
		require.Equal(t, doctor.Warning, f.State)
		require.Contains(t, f.Found, "3B00")
	}
}
