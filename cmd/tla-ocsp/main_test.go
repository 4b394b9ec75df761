package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/cmd/internal/built"
	"tlagate/cmd/internal/cli"
	"tlagate/internal/logtest"
)

// patience is for what must happen, on however slow a machine.
const patience = 2 * time.Minute

func TestMain(m *testing.M) { os.Exit(built.Run(m, "tla-pki", "tla-ocsp")) }

// site is a directory where the real tla-pki has made a CA, and the real tla-ocsp can run.
type site struct {
	t   *testing.T
	dir string
}

func newSite(t *testing.T) *site {
	s := &site{t, t.TempDir()}
	s.pki("init", "--root-key", "p256")
	s.pki("issue", "-p", "ocsp", "-i", "urn:tlagate:op:ocsp:r1", "--new-key", "-o", "r1")
	s.pki("issue", "-p", "tla", "-i", "urn:tlagate:cab:tla:t1", "--new-key", "-o", "t1")
	s.write("anchors.pem", s.read("ca/public/root.crt")+s.read("ca/public/issuing.crt"))
	s.write("ocsp.yaml", `
listen: "127.0.0.1:0"
issuer: ca/public/issuing.crt
identity: {cert: r1.crt, key: r1.key}
database: ca/ca.db
audit: audit.jsonl
`)
	return s
}

func (s *site) pki(command string, args ...string) {
	s.t.Helper()
	s.run("tla-pki", append([]string{command, "--dir", "ca"}, args...)...)
}

func (s *site) run(program string, args ...string) string {
	s.t.Helper()
	c := exec.Command(program, args...)
	c.Dir = s.dir
	out, err := c.CombinedOutput()
	require.NoError(s.t, err, "%s", out)
	return string(out)
}

func (s *site) read(name string) string {
	s.t.Helper()
	data, err := os.ReadFile(filepath.Join(s.dir, name))
	require.NoError(s.t, err)
	return string(data)
}

func (s *site) write(name, text string) {
	s.t.Helper()
	require.NoError(s.t, os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600))
}

// check runs tla-ocsp check in this process.
func (s *site) check() (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	app := &cli.App{Context: context.Background(), Stdout: &out, Stderr: &errs}
	code = cli.Run(app, "tla-ocsp", []string{"check", "-c", filepath.Join(s.dir, "ocsp.yaml")}, &grammar{}, nil)
	return code, out.String(), errs.String()
}

// server is a running tla-ocsp.
type server struct {
	*exec.Cmd
	log logtest.Buffer
}

// serve starts tla-ocsp serve and waits until it listens.
func (s *site) serve() (p *server, url string) {
	p = &server{Cmd: exec.Command("tla-ocsp", "serve", "-c", "ocsp.yaml")}
	p.Dir, p.Stderr = s.dir, &p.log
	require.NoError(s.t, p.Start())
	s.t.Cleanup(func() { p.Process.Kill(); p.Wait() })
	var address string
	require.Eventually(s.t, func() bool {
		_, rest, ok := strings.Cut(p.log.String(), "msg=listening address=")
		if ok {
			address, _, ok = strings.Cut(rest, " ")
		}
		return ok
	}, patience, 5*time.Millisecond)
	return p, "http://" + address + "/ocsp"
}

// ask has openssl ask about t1 and verify the answer.
func (s *site) ask(url string) string {
	s.t.Helper()
	return s.run("openssl", "ocsp", "-CAfile", "anchors.pem", "-issuer", "ca/public/issuing.crt", "-cert", "t1.crt",
		"-url", url, "-resp_text")
}

// TestC2SA2RevokeWithTheRealPrograms: tla-pki revokes, openssl learns of it from tla-ocsp, which nobody has
// notified. The trace has what the responder did.
func TestC2SA2RevokeWithTheRealPrograms(t *testing.T) {
	s := newSite(t)
	p, url := s.serve()
	require.Contains(t, s.ask(url), "t1.crt: good")
	s.pki("revoke", "--cert", "t1.crt", "--reason", "keyCompromise")
	require.Eventually(t, func() bool { return strings.Contains(s.ask(url), "Reason: keyCompromise") }, patience,
		time.Millisecond)

	s.pki("issue", "-p", "ocsp", "-i", "urn:tlagate:op:ocsp:r1", "--new-key", "-o", "r1", "--force")
	require.NoError(t, p.Process.Signal(syscall.SIGHUP))
	require.Eventually(t, func() bool { return strings.Contains(s.ask(url), serialOf(s, "r1.crt")) }, patience,
		time.Millisecond)
	s.write("r1.crt", "broken")
	require.Eventually(t, func() bool { return strings.Contains(p.log.String(), "the old certificate stays in use") },
		patience, 5*time.Millisecond,
		"a changed file is seen without a signal")
	require.Contains(t, s.ask(url), "t1.crt: revoked")

	require.NoError(t, p.Process.Signal(syscall.SIGTERM))
	require.NoError(t, p.Wait(), p.log.String())
	require.Contains(t, p.log.String(), "msg=stopped")
	s.traced("host.baseline", "program.start", "config.loaded", "key.loaded", "certificate.loaded", "source.changed",
		"key.replaced",
		"certificate.changed", "responder.counted", "program.stop")
}

// traced requires that the trace is intact, and that its events are these.
func (s *site) traced(want ...string) {
	s.t.Helper()
	require.Contains(s.t, s.run("tla-ocsp", "audit", "verify", "-c", "ocsp.yaml"), "are one chain")
	var events []string
	for line := range strings.Lines(s.run("tla-ocsp", "audit", "show", "-c", "ocsp.yaml")) {
		events = append(events, strings.Fields(line)[2])
	}
	require.Equal(s.t, want, events)
}

// serialOf returns a certificate's serial number as -resp_text shows it.
func serialOf(s *site, file string) string {
	text := s.run("openssl", "x509", "-in", file, "-noout", "-serial")
	digits := strings.ToLower(strings.TrimSpace(strings.TrimPrefix(text, "serial=")))
	var pairs []string
	for i := 0; i+1 < len(digits); i += 2 {
		pairs = append(pairs, digits[i:i+2])
	}
	return strings.Join(pairs, ":")
}

func TestCheck(t *testing.T) {
	s := newSite(t)
	code, stdout, stderr := s.check()
	require.Zero(t, code, stderr)
	for _, want := range []string{
		`ok    issuer       "TEST tlagate issuing CA", until `, "ok    certificate ",
		"OCSPSigning, nocheck", "ok    status ",
		"ca.db, read-only, 2 certificates", "this user can read the CA's key", "configuration is good",
	} {
		require.Contains(t, stdout, want)
	}
	exits := func(status int, want ...string) {
		t.Helper()
		code, stdout, stderr := s.check()
		require.Equal(t, status, code)
		for _, w := range want {
			require.Contains(t, stdout+stderr, w)
		}
		require.NotContains(t, stdout+stderr, "open :", "what is not named cannot be absent")
	}
	wrong := func(want ...string) { t.Helper(); exits(1, want...) }
	unusable := func(want ...string) { t.Helper(); exits(2, want...) }
	good := s.read("ocsp.yaml")
	s.write("ocsp.yaml", strings.ReplaceAll(good, "r1.", "t1."))
	wrong("WRONG certificate ", "not OCSPSigning alone", "ok    database", "see what is marked WRONG")
	s.write("ocsp.yaml", strings.ReplaceAll(good, "ca.db", "none.db"))
	wrong("ok    certificate ", "WRONG database ", "none.db")
	s.write("ocsp.yaml", strings.ReplaceAll(good, "r1.key", "none.key"))
	wrong("WRONG certificate ", "none.key", "ok    database")
	s.write("ocsp.yaml", strings.ReplaceAll(good, "issuer: ca/public/issuing.crt", "issuer: anchors.pem"))
	wrong("want the issuing CA's alone")
	s.write("ocsp.yaml", good+"validity: 1s\n")
	wrong("WRONG configuration ", "validity of 1s")
	s.write("ocsp.yaml", good+"metrics: 0.0.0.0:9465\n")
	unusable("cannot serve metrics on")
	s.write("ocsp.yaml", good+"unknown: 1s\n")
	unusable(`unknown key "unknown"`)
	s.write("ocsp.yaml", "listen: x\n")
	unusable(`WRONG configuration cannot use listen "x": want HOST:PORT`, "issuer is missing",
		"identity.cert is missing",
		"identity.key is missing", "database is missing")
	s.write("ocsp.yaml", strings.NewReplacer("127.0.0.1:0", "0.0.0.0:70000", "issuing.crt", "none.crt", "r1.key",
		"none.key", "ca.db", "none.db").Replace(good)+
		"validity: 1s\npoll: soon\nunknown: 1s\n")
	unusable("from 1 to 65535", "WRONG issuer", "none.crt", "WRONG certificate", "none.key", "WRONG database",
		"none.db",
		"validity of 1s",
		`"poll" is no time such as 90s or 5m: "soon"`, `unknown key "unknown"`)
	s.write("ocsp.yaml", good)
	s.pki("revoke", "--cert", "r1.crt", "--reason", "superseded")
	wrong("WRONG status ", "is revoked")
	s.pki("issue", "-p", "ocsp", "-i", "urn:tlagate:op:ocsp:r1", "--new-key", "-o", "r1", "--force")
	s.pki("revoke", "--cert", "ca/public/issuing.crt", "--reason", "cACompromise")
	wrong("ok    status ", "WRONG issuer ", "nobody accepts an answer: make a new CA (docs/ca.md, section 5)")
}

func TestServeIsRefused(t *testing.T) {
	s := newSite(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	s.write("ocsp.yaml", strings.ReplaceAll(s.read("ocsp.yaml"), "127.0.0.1:0", l.Addr().String()))
	var errs bytes.Buffer
	app := &cli.App{Context: t.Context(), Stdout: io.Discard, Stderr: &errs}
	require.Equal(t, 1, cli.Run(app, "tla-ocsp", []string{"serve", "-c", filepath.Join(s.dir, "ocsp.yaml")}, &grammar{},
		nil))
	require.Contains(t, errs.String(), "cannot listen on")
}

func TestExampleIsReadable(t *testing.T) {
	c, err := load("../../deploy/examples/ocsp.yaml")
	require.NoError(t, err)
	require.Equal(t, time.Hour, c.Validity)
	require.Equal(t, 4096, c.Limits.Connections)
}
