package integration

import (
	"bufio"
	"bytes"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // to make a code older in the books

	"tlagate/integration/lab"
	"tlagate/integration/world"
)

// estBed is a CA with its EST server; curl and openssl play the devices.
type estBed struct {
	*bed
	push  *lab.Push
	codes []string
}

func newESTBed(t *testing.T) *estBed {
	t.Helper()
	l := layLab(t)
	return &estBed{bed: &bed{Lab: l, t: t}, push: startPush(t, l)}
}

// invite returns a code, as an operator reads it.
func (b *estBed) invite(args ...string) string {
	b.t.Helper()
	out, err := b.PKI("invite", args...)
	require.NoError(b.t, err)
	code, _, _ := strings.Cut(out, "\n")
	b.codes = append(b.codes, code)
	return code
}

// tool runs a program of the device.
func (b *estBed) tool(name string, args ...string) string {
	b.t.Helper()
	out, err := world.Run(patience, nil, name, args...)
	require.NoError(b.t, err)
	return out
}

// request makes a key and a request for it with openssl; challenge is its challengePassword. It returns the files' path
// without suffix.
func (b *estBed) request(name, challenge string) string {
	b.t.Helper()
	at := b.Path(name)
	conf := "[req]\nprompt = no\ndistinguished_name = dn\nstring_mask = utf8only\n[dn]\nCN = device\n"
	if challenge != "" {
		conf = strings.Replace(conf, "prompt = no\n", "prompt = no\nattributes = at\n", 1) +
			"[at]\nchallengePassword = " + challenge + "\n"
	}
	require.NoError(b.t, os.WriteFile(at+".cnf", []byte(conf), 0o600))
	b.tool("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-config",
		at+".cnf",
		"-keyout", at+".key", "-outform", "DER", "-out", at+".der")
	b.tool("openssl", "base64", "-e", "-in", at+".der", "-out", at+".b64")
	return at
}

// curl makes a request of the EST server, which it verifies, stapled OCSP answer included, and returns status and body.
func (b *estBed) curl(path string, args ...string) (status, body string) {
	b.t.Helper()
	out := b.tool("curl", append([]string{"--silent", "--show-error", "--tlsv1.3", "--http1.1", "--cacert",
		b.GatewayTrust.Anchor,
		"--cert-status", "--write-out", "\n%{http_code}", "https://" + b.Named(b.push.EST) + "/.well-known/est/" +
			path}, args...)...)
	at := strings.LastIndexByte(out, '\n')
	return out[at+1:], out[:at]
}

// enrol sends a request; args have the credentials.
func (b *estBed) enrol(path, at string, args ...string) (status, body string) {
	b.t.Helper()
	return b.curl(path, append([]string{"--header", "Content-Type: application/pkcs10", "--data-binary",
		"@" + at + ".b64"}, args...)...)
}

// enrolled is enrol that must succeed: openssl unpacks and verifies the certificate, which is written beside the
// request.
func (b *estBed) enrolled(path, at, purpose string, args ...string) {
	b.t.Helper()
	status, body := b.enrol(path, at, args...)
	require.Equal(b.t, "200", status, body)
	b.unpack(at, body)
	b.tool("openssl", "verify", "-x509_strict", "-purpose", purpose, "-CAfile", b.GatewayTrust.Anchor, "-untrusted",
		b.Path("pki/public/issuing.crt"), at+".crt")
	b.tool("openssl", "x509", "-in", at+".crt", "-noout", "-checkend", "0")
	require.Equal(b.t, b.tool("openssl", "pkey", "-in", at+".key", "-pubout"),
		b.tool("openssl", "x509", "-in", at+".crt", "-noout", "-pubkey"))
}

func (b *estBed) unpack(at, body string) {
	b.t.Helper()
	b.decode(at, body)
	b.tool("openssl", "pkcs7", "-inform", "DER", "-in", at+".out", "-print_certs", "-out", at+".crt")
}

// decode writes the decoded base64 of a body to the file .out.
func (b *estBed) decode(at, body string) {
	b.t.Helper()
	require.NoError(b.t, os.WriteFile(at+".in", []byte(body), 0o600))
	b.tool("openssl", "base64", "-d", "-in", at+".in", "-out", at+".out")
}

func (b *estBed) shows(at string) string {
	b.t.Helper()
	return b.tool("openssl", "x509", "-in", at+".crt", "-noout", "-ext", "subjectAltName,extendedKeyUsage")
}

func (b *estBed) refused(word string, status, body string) {
	b.t.Helper()
	require.Regexp(b.t, "^"+word+": [^\n]+\n$", body)
	require.Regexp(b.t, "^4", status)
}

// by returns the arguments with which curl shows a certificate.
func by(at string) []string { return []string{"--cert", at + ".crt", "--key", at + ".key"} }

func with(code string) []string { return []string{"--user", "device:" + code} }

// TestG2EnrolmentByCurlAndOpenssl: any EST client (RFC 7030) can enrol, from the code to the renewal.
func TestG2EnrolmentByCurlAndOpenssl(t *testing.T) {
	b := newESTBed(t)
	t.Run("G2 a terminal: the anchor, the code, the renewal", func(t *testing.T) {
		b.t = t
		status, body := b.curl("cacerts")
		require.Equal(t, "200", status)
		cas := b.Path("cas")
		b.unpack(cas, body)
		require.Equal(t, 2, strings.Count(string(read(t, cas+".crt")), "BEGIN CERTIFICATE"))
		status, body = b.curl("csrattrs")
		require.Equal(t, "200", status)
		b.decode(cas, body)
		require.Contains(t, b.tool("openssl", "asn1parse", "-inform", "DER", "-in", cas+".out"), "prime256v1")

		one, two := b.request("t-one", ""), b.request("t-two", "")
		code := b.invite("--role", "tla", "--practice", lab.Practice, "--name", "valise2")
		b.enrolled("simpleenroll", one, "sslclient", with(code)...)
		require.Contains(t, b.shows(one), "URI:urn:tlagate:"+lab.Practice+":tla:valise2")
		first := string(read(t, one+".crt"))
		b.enrolled("tla/simpleenroll", one, "sslclient", with(code)...)
		require.Equal(t, first, string(read(t, one+".crt")), "the same key, the same certificate")
		b.enrolled("simplereenroll", two, "sslclient", by(one)...)
		require.Contains(t, b.shows(two), "URI:urn:tlagate:"+lab.Practice+":tla:valise2")
	})
	t.Run("G2 a PdT: its client certificate renews its server one", func(t *testing.T) {
		b.t = t
		client, server, next := b.request("p-client", ""), b.request("p-server", ""), b.request("p-next", "")
		b.enrolled("simpleenroll", client,
			"sslclient", with(b.invite("--role", "pdt", "--practice", lab.Practice, "--name", "p2", "--dns",
				"p2.example"))...)
		b.enrolled("pdt-server/simpleenroll", server, "sslserver", by(client)...)
		require.Contains(t, b.shows(server), "DNS:p2.example, URI:urn:tlagate:"+lab.Practice+":pdt:p2")
		b.enrolled("pdt-server/simplereenroll", next, "sslserver", by(client)...)
		require.Contains(t, b.shows(next), "DNS:p2.example")
		status, body := b.enrol("gateway-server/simpleenroll", next, by(client)...)
		b.refused("wrong_profile", status, body)
	})
	t.Run("G2 codes that are no good", func(t *testing.T) {
		b.t = t
		at, other := b.request("no-one", ""), b.request("no-two", "")
		status, body := b.enrol("simpleenroll", at)
		b.refused("code_required", status, body)
		status, body = b.enrol("simplereenroll", at)
		b.refused("certificate_required", status, body)

		code := b.invite("--role", "tla", "--practice", lab.Practice, "--name", "no")
		typo := code[:44] + map[bool]string{true: "1", false: "0"}[code[44] == '0'] + code[45:]
		status, body = b.enrol("simpleenroll", at, with(typo)...)
		b.refused("code_unknown", status, body)
		b.enrolled("simpleenroll", at, "sslclient", with(code)...)
		status, body = b.enrol("simpleenroll", other, with(code)...)
		b.refused("code_used", status, body)

		code = b.invite("--role", "tla", "--practice", lab.Practice, "--name", "withdrawn")
		list, err := b.PKI("invitations")
		require.NoError(t, err)
		_, last, _ := strings.Cut(list, "\n")
		_, err = b.PKI("withdraw", strings.Fields(last)[0])
		require.NoError(t, err)
		status, body = b.enrol("simpleenroll", other, with(code)...)
		b.refused("code_unknown", status, body)

		code = b.invite("--role", "tla", "--practice", lab.Practice, "--name", "late")
		b.age(lab.Practice + ":tla:late")
		status, body = b.enrol("simpleenroll", other, with(code)...)
		b.refused("code_expired", status, body)
	})
	t.Run("G2 two at once: one wins", func(t *testing.T) {
		b.t = t
		code := b.invite("--role", "tla", "--practice", lab.Practice, "--name", "race")
		require.Equal(t, map[string]int{"200": 1, "401": 5}, b.race(code, 6))
	})
	t.Run("C2 a request is bound to its connection", func(t *testing.T) {
		b.t = t
		code := b.invite("--role", "tla", "--practice", lab.Practice, "--name", "bound")
		status, body := b.enrol("simpleenroll",
			b.request("unbound", base64.StdEncoding.EncodeToString(make([]byte, 32))), with(code)...)
		b.refused("bad_binding", status, body)
		b.bound(code)
	})
	t.Run("C2 a revoked certificate renews nothing, a replaced terminal comes back by its new code",
		func(t *testing.T) {
			b.t = t
			old, fresh := b.request("old", ""), b.request("fresh", "")
			b.enrolled("simpleenroll", old,
				"sslclient", with(b.invite("--role", "tla", "--practice", lab.Practice, "--name", "broken"))...)
			out, err := b.PKI("replace", "--identity", "urn:tlagate:"+lab.Practice+":tla:broken")
			require.NoError(t, err)
			code, rest, _ := strings.Cut(out, "\n")
			require.Contains(t, rest, ": superseded")
			logged(t, b.push.Proc, 0, "event", "kind=revoked", ":tla:broken")
			_, err = world.Run(patience, nil,
				"curl", append([]string{"--silent", "--show-error", "--tlsv1.3", "--http1.1", "--cacert",
					b.GatewayTrust.Anchor, "--data-binary", "@" + fresh + ".b64",
					"https://" + b.Named(b.push.EST) + "/.well-known/est/simplereenroll"}, by(old)...)...)
			require.ErrorContains(t, err, "certificate")
			logged(t, b.push.Proc, 0, "handshake refused", "reason=revoked")
			b.enrolled("simpleenroll", fresh, "sslclient", with(code)...)
			b.codes = append(b.codes, code)
		})
	t.Run("SP2 no code in the log", func(t *testing.T) {
		log := strings.ToUpper(strings.Join(b.push.Proc.Lines(), "\n"))
		require.Contains(t, log, "CERTIFICATE ENROLLED")
		require.Greater(t, len(b.codes), 6)
		for _, code := range b.codes {
			// the whole code, and the parts that come from the secret alone
			for _, part := range []string{code, strings.ReplaceAll(code, "-", ""), code[36:44], code[44:]} {
				require.NotContains(t, log, part)
			}
		}
	})
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	return data
}

// age makes an identity's code one that has ended.
func (b *estBed) age(identity string) {
	b.t.Helper()
	db, err := sql.Open("sqlite", "file:"+b.Path("pki/ca.db")+"?_pragma=busy_timeout(10000)&_time_format=sqlite")
	require.NoError(b.t, err)
	defer db.Close()
	result, err := db.Exec(`UPDATE invitations SET expiry = ? WHERE identity = ?`, time.Now().Add(-time.Minute).UTC(),
		"urn:tlagate:"+identity)
	require.NoError(b.t, err)
	n, err := result.RowsAffected()
	require.NoError(b.t, err)
	require.EqualValues(b.t, 1, n)
}

// race makes n devices use one code at the same time, and counts the answers by status.
func (b *estBed) race(code string, n int) map[string]int {
	b.t.Helper()
	files := make([]string, n)
	for i := range files {
		files[i] = b.request(fmt.Sprintf("race-%d", i), "")
	}
	var all sync.WaitGroup
	answers := make([]string, n)
	for i, at := range files {
		all.Go(func() {
			answers[i], _ = world.Run(patience, nil, "curl", "--silent", "--tlsv1.3", "--http1.1", "--cacert",
				b.GatewayTrust.Anchor, "--user", "d:"+code,
				"--header", "Content-Type: application/pkcs10", "--data-binary", "@"+at+".b64", "--output", "/dev/null",
				"--write-out", "%{http_code}",
				"https://"+b.Named(b.push.EST)+"/.well-known/est/simpleenroll")
		})
	}
	all.Wait()
	count := map[string]int{}
	for _, a := range answers {
		count[a]++
	}
	return count
}

// bound enrols over a connection of openssl s_client, with that connection's tls-exporter value (RFC 9266) as
// challengePassword.
func (b *estBed) bound(code string) {
	b.t.Helper()
	client := exec.Command("openssl", "s_client", "-connect", b.push.EST, "-tls1_3", "-alpn", "http/1.1", "-nocommands",
		"-ign_eof",
		"-CAfile", b.GatewayTrust.Anchor, "-verify_return_error", "-keymatexport", "EXPORTER-Channel-Binding",
		"-keymatexportlen", "32")
	in, err := client.StdinPipe()
	require.NoError(b.t, err)
	out, err := client.StdoutPipe()
	require.NoError(b.t, err)
	require.NoError(b.t, client.Start())
	guard := time.AfterFunc(patience, func() { _ = client.Process.Kill() })
	defer func() {
		guard.Stop()
		in.Close()
		_ = client.Process.Kill()
		_ = client.Wait()
	}()
	lines := bufio.NewReader(out)
	at := b.request("bound", base64.StdEncoding.EncodeToString(keyingMaterial(b.t, lines)))
	request, err := http.NewRequest(http.MethodPost, "https://localhost/.well-known/est/simpleenroll",
		bytes.NewReader(read(b.t, at+".b64")))
	require.NoError(b.t, err)
	request.Header.Set("Content-Type", "application/pkcs10")
	request.SetBasicAuth("device", code)
	require.NoError(b.t, request.Write(in))
	answer, err := http.ReadResponse(untilAnswer(b.t, lines), request)
	require.NoError(b.t, err)
	body, err := io.ReadAll(answer.Body)
	require.NoError(b.t, err)
	require.Equal(b.t, http.StatusOK, answer.StatusCode, string(body))
}

func keyingMaterial(t *testing.T, lines *bufio.Reader) []byte {
	t.Helper()
	for {
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		if _, value, ok := strings.Cut(line, "Keying material: "); ok {
			material, err := hex.DecodeString(strings.TrimSpace(value))
			require.NoError(t, err)
			require.Len(t, material, 32)
			return material
		}
	}
}

// untilAnswer skips what s_client says before the peer's answer.
func untilAnswer(t *testing.T, lines *bufio.Reader) *bufio.Reader {
	t.Helper()
	for {
		head, err := lines.Peek(5)
		require.NoError(t, err)
		if string(head) == "HTTP/" {
			return lines
		}
		_, err = lines.ReadString('\n')
		require.NoError(t, err)
	}
}
