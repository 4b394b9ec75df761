package enrol

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/cmd/internal/cli"
	"tlagate/est"
	"tlagate/keys"
	"tlagate/pki"
	"tlagate/pki/pkitest"
	"tlagate/pki/trust"
)

const (
	tla1 = "urn:tlagate:cab1:tla:t1"
	pdt1 = "urn:tlagate:cab1:pdt:p1"
)

// box is a device that has just been installed, and the PKI that has invited it.
type box struct {
	*pkitest.ESTServer
	t    *testing.T
	ca   *pkitest.PKI
	dir  string
	code est.Code
	Device
}

func newBox(t *testing.T, identity string, profiles ...est.Profile) *box {
	ca := pkitest.New(t)
	b := &box{ESTServer: ca.ServeEST(t), t: t, ca: ca, dir: t.TempDir()}
	b.invite(identity)
	for _, p := range profiles {
		b.Pairs = append(b.Pairs, Pair{Name: p.Label, Profile: p, Files: cli.Identity{Cert: b.path(p.Label + ".crt"),
			Key: keys.Spec(b.path(p.Label + ".key"))}})
	}
	b.Trust = cli.Trust{Anchors: []cli.Anchor{{File: b.path("root.crt"), Practices: []string{"*"}}},
		ARL: b.path("arl.pem")}
	return b
}

func (b *box) path(name string) cli.Path { return cli.Path(filepath.Join(b.dir, name)) }

func (b *box) invite(identity string) {
	b.code = est.NewCode(b.ca.Root.Cert)
	b.Codes[b.code.Text()] = identity
}

func (b *box) act() Act {
	return Act{Device: b.Device, Place: est.Place{Address: b.Addr}, Code: b.code}
}

func (b *box) enrol() (*Done, error) { return b.act().Run(b.t.Context()) }

// fails checks that the error is of a kind, and that its text has nothing of the code.
func (b *box) fails(kind Kind) {
	b.t.Helper()
	_, err := b.enrol()
	var f *Failure
	require.ErrorAs(b.t, err, &f)
	require.Equal(b.t, kind, f.Kind, "%v", err)
	require.NotContains(b.t, err.Error(), b.code.Text()[:5])
	require.NotContains(b.t, err.Error(), "{")
}

// files returns the names of the files in the box.
func (b *box) files() string {
	entries, err := os.ReadDir(b.dir)
	require.NoError(b.t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

func (b *box) read(name string) string {
	data, err := os.ReadFile(string(b.path(name)))
	require.NoError(b.t, err)
	return string(data)
}

func TestG2EnrolATerminal(t *testing.T) {
	b := newBox(t, tla1, est.TLA)
	done, err := b.enrol()
	require.NoError(t, err)
	require.Equal(t, tla1, done.Identity.String())
	require.Equal(t, "arl.pem root.crt tla.crt tla.key", b.files())
	info, err := os.Stat(string(b.path("tla.key")))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	store, err := trust.Open(b.Trust.Config("", nil))
	require.NoError(t, err)
	chain, err := pki.ReadCertificates(string(b.path("tla.crt")))
	require.NoError(t, err)
	require.NoError(t, store.AddARL(b.ARL))
	_, err = store.VerifyIssued(chain, trust.Want{Usage: x509.ExtKeyUsageClientAuth})
	require.NoError(t, err)

	before := b.read("tla.key")
	b.invite(tla1)
	b.fails(Living)
	require.Equal(t, before, b.read("tla.key"))
	replace := b.act()
	replace.Replace = true
	_, err = replace.Run(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, before, b.read("tla.key"), "another key")
	require.Equal(t, "arl.pem root.crt tla.crt tla.key", b.files())
}

// A PdT has two certificates: the code is for the client's, which authenticates the request for the server's.
func TestG2EnrolAPdT(t *testing.T) {
	b := newBox(t, pdt1, est.PdTClient, est.PdTServer)
	done, err := b.enrol()
	require.NoError(t, err)
	require.Equal(t, pdt1, done.Identity.String())
	var enrolled []pkitest.ESTRequest
	for _, q := range b.Requests() {
		if q.CSR != nil {
			enrolled = append(enrolled, q)
		}
	}
	require.Len(t, enrolled, 2)
	require.Equal(t, b.code.Text(), enrolled[0].Password)
	require.Nil(t, enrolled[0].Client)
	require.Empty(t, enrolled[1].Password)
	require.NotNil(t, enrolled[1].Client)

	require.NoError(t, os.Remove(string(b.path("pdt-server.crt"))))
	client := b.read("pdt-client.crt")
	_, err = b.enrol() // only what is missing, though the code is used
	require.NoError(t, err)
	require.Equal(t, client, b.read("pdt-client.crt"))
	require.Equal(t, "arl.pem pdt-client.crt pdt-client.key pdt-server.crt pdt-server.key root.crt", b.files())
}

// The answer is lost: the next run asks again with the same key, which the PKI demands.
func TestG2LostAnswerIsAskedForAgain(t *testing.T) {
	b := newBox(t, tla1, est.TLA)
	b.Issue = func(q pkitest.ESTRequest) []*x509.Certificate {
		return []*x509.Certificate{b.ca.Root.Cert} // the code is used, and no certificate comes
	}
	b.fails(BadAnswer)
	require.Equal(t, "tla.key.next", b.files())
	b.Issue = nil
	_, err := b.enrol()
	require.NoError(t, err)
	require.Equal(t, "arl.pem root.crt tla.crt tla.key", b.files())
}

// TestG2ReplacementSurvivesACrash stops between any two steps of a replacement; Finish leaves a pair that fits.
func TestG2ReplacementSurvivesACrash(t *testing.T) {
	steps := []struct {
		name string
		undo func(b *box, old, new map[string]string)
		want string // whose certificate is there after Finish
	}{
		{"key made", func(b *box, old, new map[string]string) {
			b.put(old, "tla.crt", "tla.crt")
			b.put(old, "tla.key", "tla.key")
			b.put(new, "tla.key", "tla.key.next")
		}, "old"},
		{"certificate come", func(b *box, old, new map[string]string) {
			b.put(old, "tla.crt", "tla.crt")
			b.put(old, "tla.key", "tla.key")
			b.put(new, "tla.key", "tla.key.next")
			b.put(new, "tla.crt", "tla.crt.next")
		}, "new"},
		{"key renamed", func(b *box, old, new map[string]string) {
			b.put(old, "tla.crt", "tla.crt")
			b.put(new, "tla.key", "tla.key")
			b.put(new, "tla.crt", "tla.crt.next")
		}, "new"},
		{"a certificate without its key", func(b *box, old, new map[string]string) {
			b.put(old, "tla.crt", "tla.crt")
			b.put(old, "tla.key", "tla.key")
			b.put(new, "tla.crt", "tla.crt.next")
		}, "old"},
		{"rubbish", func(b *box, old, new map[string]string) {
			b.put(old, "tla.crt", "tla.crt")
			b.put(old, "tla.key", "tla.key")
			b.put(map[string]string{"x": "x"}, "x", "tla.crt.next")
		}, "old"},
	}
	for _, s := range steps {
		t.Run(s.name, func(t *testing.T) {
			b := newBox(t, tla1, est.TLA)
			one := func() map[string]string {
				c := b.ca.Issue(tla1, x509.ExtKeyUsageClientAuth)
				cert, key := pkitest.WriteCertificate(t, t.TempDir(), "x", c)
				read := func(f string) string { d, err := os.ReadFile(f); require.NoError(t, err); return string(d) }
				return map[string]string{"tla.crt": read(cert), "tla.key": read(key)}
			}
			content := map[string]map[string]string{"old": one(), "new": one()}
			s.undo(b, content["old"], content["new"])
			require.NoError(t, b.Finish())
			require.NotNil(t, b.Pairs[0].Living(time.Now()), "key and certificate fit")
			require.Equal(t, content[s.want]["tla.crt"], b.read("tla.crt"))
			require.NotContains(t, b.files(), "crt.next")
		})
	}
}

func (b *box) put(from map[string]string, name, as string) {
	require.NoError(b.t, os.WriteFile(string(b.path(as)), []byte(from[name]), 0o600))
}

func TestFailuresAreNamed(t *testing.T) {
	for _, c := range []struct {
		kind   Kind
		change func(*box)
	}{
		{CodeUnknown, func(b *box) { delete(b.Codes, b.code.Text()) }},
		{CodeExpired, func(b *box) { b.answer(401, "code_expired: it ended yesterday") }},
		{OtherProgram, func(b *box) { b.answer(403, "wrong_profile: it is for a pdt") }},
		{TooMany, func(b *box) { b.answer(429, "too_many: wait") }},
		{NotAvailable, func(b *box) { b.answer(503, "not_available: later") }},
		{BadAnswer, func(b *box) { b.answer(200, "hello") }},
		{BadAnswer, func(b *box) { b.answer(404, "not found") }},
		{NotOurPKI, func(b *box) { b.code = est.NewCode(pkitest.New(b.t).Root.Cert) }},
		{Clock, func(b *box) { b.ESTServer.ARL = b.ca.Root.CRL(pkitest.CRLFuture()) }},
		{TestCA, func(b *box) { b.Trust.Production = true }},
		{Refused, func(b *box) { b.Certificate.OCSPStaple = nil }},
		{NoPKI, func(b *box) { b.Certificate = b.ca.Issue("urn:tlagate:op:gateway:g", x509.ExtKeyUsageServerAuth) }},
		{Unreachable, func(b *box) { b.Addr = "127.0.0.1:1" }},
		{ForeignAnchor, func(b *box) {
			pkitest.WriteCertificates(b.t, string(b.path("root.crt")), pkitest.New(b.t).Root.Cert)
		}},
		{Files, func(b *box) { b.Trust.ARL = b.path("nowhere/arl.pem") }},
		{Configuration, func(b *box) { b.Trust.ARL = "" }},
		{Configuration, func(b *box) { b.Trust.Anchors = nil }},
		{Configuration, func(b *box) { b.Pairs[0].Files.Key = "" }},
	} {
		t.Run(string(c.kind), func(t *testing.T) {
			b := newBox(t, tla1, est.TLA)
			c.change(b)
			b.fails(c.kind)
			require.NotContains(t, b.files(), "tla.crt")
		})
	}
}

// answer makes the PKI answer requests for certificates with a status and a text.
func (b *box) answer(status int, text string) {
	b.Fail = func(path string) (int, string) {
		if strings.Contains(path, "enroll") {
			return status, text
		}
		return 0, ""
	}
}

func TestUserSaysNo(t *testing.T) {
	b := newBox(t, tla1, est.TLA)
	act := b.act()
	act.Confirm = func(*x509.Certificate) error { return &Failure{Kind: Declined} }
	_, err := act.Run(t.Context())
	require.ErrorContains(t, err, "you said no")
	for _, q := range b.Requests() {
		require.Empty(t, q.Password)
	}
}

func TestInvitation(t *testing.T) {
	code := est.NewCode(&x509.Certificate{RawSubjectPublicKeyInfo: []byte("key")})
	for text, want := range map[string]invitation{
		code.Text(): {Code: code},
		"  " + strings.ToLower(code.Text()) + "\n": {Code: code},
		"tlagate:enroll?gateway=gw.example:8443&code=" + code.Text(): {Code: code,
			Gateway: "gw.example:8443"},
		"TLAGATE:enroll?pki=pki.example%3A8445&code=" + code.Text() + "&new=1": {Code: code, PKI: "pki.example:8445"},
	} {
		got, err := parseInvitation(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "tlagate:", "tlagate:enroll", "tlagate:erase?code=" + code.Text(),
		"https://x/?code=" + code.Text(),
		"tlagate:enroll?gateway=a:1&pki=b:2&code=" + code.Text(), "tlagate:enroll?code=%zz", code.Text()[1:]} {
		_, err := parseInvitation(text)
		var f *Failure
		require.ErrorAs(t, err, &f, text)
		require.Equal(t, CodeMistyped, f.Kind)
		require.NotContains(t, err.Error(), code.Text()[6:11], "it is a secret")
	}
}

func FuzzInvitation(f *testing.F) {
	code := est.NewCode(&x509.Certificate{RawSubjectPublicKeyInfo: []byte("key")})
	f.Add(code.Text())
	f.Add("tlagate:enroll?gateway=gw.example:8443&code=" + code.Text())
	f.Fuzz(func(t *testing.T, text string) {
		one, err := parseInvitation(text)
		if err == nil && one.Gateway != "" && one.PKI != "" {
			t.Fatal("two places")
		}
	})
}

// run runs the command as a user does.
func (b *box) run(stdin string, c Command) (out string, err error) {
	var o, e bytes.Buffer
	app := &cli.App{Context: b.t.Context(), Stdin: strings.NewReader(stdin), Stdout: &o, Stderr: &e}
	err = c.Run(app, b.Device, est.Place{}, English("tla-test", "Next: start it."))
	return o.String() + e.String(), err
}

func TestCommand(t *testing.T) {
	b := newBox(t, tla1, est.TLA)
	_, err := b.run("", Command{Gateway: b.Addr})
	require.ErrorContains(t, err, "without a code")
	_, err = b.run("", Command{Gateway: b.Addr, Code: "-"})
	require.ErrorContains(t, err, "without a code")
	_, err = b.run("", Command{Gateway: "nowhere", Code: b.code.Text()})
	require.ErrorContains(t, err, `"nowhere": want HOST:PORT`)
	_, err = b.run("", Command{Code: b.code.Text()})
	require.ErrorContains(t, err, "name one with --gateway")
	out, err := b.run("tlagate:enroll?gateway="+b.Addr+"&code="+b.code.Text()+"\n", Command{Code: "-"})
	require.NoError(t, err)
	require.Contains(t, out, "this is "+tla1+" until ")
	require.Contains(t, out, "Next: start it.")
}

// The user is shown which authority the device will trust, in characters that have no effect on a terminal, and only
// yes is a yes.
func TestConfirm(t *testing.T) {
	root := &x509.Certificate{Subject: pkix.Name{CommonName: "Une\x1b[2J autorité"}}
	for answer, want := range map[string]bool{"y\n": true, "YES\n": true, " yes ": true, "\n": false, "": false,
		"no\n": false, "yeah\n": false} {
		var shown bytes.Buffer
		app := &cli.App{Context: t.Context(), Stderr: &shown}
		err := confirm(app, bufio.NewReader(strings.NewReader(answer)), English("tla-test", ""), root,
			est.Place{Address: "gw:1"})
		require.Equal(t, want, err == nil, answer)
		require.Contains(t, shown.String(), "\"Une\ufffd[2J autorité\"")
		require.Contains(t, shown.String(), "gw:1")
	}
}

// A user who breaks off at the prompt is not kept waiting.
func TestBrokenOffAtThePrompt(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	r, w := io.Pipe()
	defer w.Close()
	require.Empty(t, typed(ctx, bufio.NewReader(r)))
}

// TestKindsHaveSentences: no kind is shown bare, nor a sentence with a gap in it.
func TestKindsHaveSentences(t *testing.T) {
	for _, k := range Kinds() {
		text := (&Failure{Kind: k, Place: est.Place{Address: "gw:1"}}).Error()
		require.NotContains(t, text, "{", k)
		require.Regexp(t, "^(cannot|not) ", text, k)
	}
	require.True(t, errors.Is((&Failure{Kind: Other, Cause: context.Canceled}), context.Canceled))
}
