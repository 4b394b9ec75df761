package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"tlagate/cmd/internal/cli"
	"tlagate/internal/logtest"
	"tlagate/pki/pkitest"
)

// patience is the time for what must happen, however slow the machine is.
const patience = 2 * time.Minute

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("os/signal.loop"))
}

const (
	ours = "urn:tlagate:op:gateway:g1"
	tla1 = "urn:tlagate:cab1:tla:t1"
)

// output collects what a program writes while it runs.
type output struct{ logtest.Buffer }

// count returns how often a text occurs in it.
func (o *output) count(text string) int { return strings.Count(o.String(), text) }

// command runs tla-gateway in this process.
func command(ctx context.Context, out, errs io.Writer, args ...string) int {
	return cli.Run(&cli.App{Context: ctx, Stdout: out, Stderr: errs}, "tla-gateway", args, &grammar{}, nil)
}

// deployment is a directory with a configuration and everything that it names.
type deployment struct {
	t      *testing.T
	ca     *pkitest.PKI
	dir    string
	files  pkitest.Files
	config string
}

const goodConfig = `listen: "127.0.0.1:0"
identity: {cert: gateway.pem, key: gateway.key}
trust:
  anchors: [{file: root.pem, practices: ["*"]}]
  crls: [root.crl, issuing.crl]
`

func deploy(t *testing.T) *deployment {
	d := &deployment{t: t, ca: pkitest.New(t), dir: t.TempDir()}
	d.files = d.ca.WriteTrust(d.dir)
	d.certificate(ours)
	d.configure(goodConfig)
	return d
}

func (d *deployment) certificate(identity string, opts ...pkitest.Option) {
	opts = append([]pkitest.Option{pkitest.DNS("localhost")}, opts...)
	pkitest.WriteCertificate(d.t, d.dir, "gateway", d.ca.Issue(identity, x509.ExtKeyUsageServerAuth, opts...))
}

func (d *deployment) configure(text string) {
	d.config = filepath.Join(d.dir, "gateway.yaml")
	require.NoError(d.t, os.WriteFile(d.config, []byte(text), 0o600))
}

func (d *deployment) remove(name string) { require.NoError(d.t, os.Remove(filepath.Join(d.dir, name))) }

// cases are deployments, and what check and serve say about each.
var cases = []struct {
	name  string
	spoil func(d *deployment)
	check int      // its exit code
	says  []string // in its output
	serve bool     // whether serve starts
}{
	{"good", func(*deployment) {}, 0, []string{
		"identity     " + ours, "anchor       TEST tlagate root, vouches for *", "number 1, 0 entries",
		"result       good"}, true},
	{"access", func(d *deployment) {
		d.configure(goodConfig + "access:\n- {tla: \"" + tla1 + "\", pdt: \"urn:tlagate:op:pdt:*\"}\n")
	}, 0, []string{tla1 + " opens urn:tlagate:op:pdt:*"}, true},
	{"CRL ends soon", func(d *deployment) {
		pkitest.WriteCRL(d.t, d.files.CRL, d.ca.Issuing.CRL(pkitest.CRLValid(-time.Hour, time.Hour)))
	}, 0, []string{"WARNING", "this CRL ends in"}, true},
	{"certificate ends soon", func(d *deployment) { d.certificate(ours, pkitest.Valid(-time.Hour, 48*time.Hour)) }, 0,
		[]string{"WARNING", "ends in 48h0m0s"}, true},

	{"CRL stale", func(d *deployment) { pkitest.WriteCRL(d.t, d.files.CRL, d.ca.Issuing.CRL(pkitest.CRLStale())) }, 1,
		[]string{"WRONG", "crl_stale", "2 wrong"}, true},
	{"CRL missing", func(d *deployment) { d.remove("issuing.crl") }, 1, []string{"WRONG", "crl_missing"}, true},
	{"no CRL named", func(d *deployment) {
		d.configure(strings.Replace(goodConfig, "  crls: [root.crl, issuing.crl]\n", "", 1))
	}, 1,
		[]string{`cannot tell which CAs that "TEST tlagate root" issued are revoked`,
			`cannot tell which components that "TEST tlagate issuing" issued`}, true},
	{"certificate revoked", func(d *deployment) {
		certs, _ := tls.LoadX509KeyPair(filepath.Join(d.dir, "gateway.pem"), filepath.Join(d.dir, "gateway.key"))
		d.ca.Issuing.Revoke(certs.Leaf)
		d.ca.WriteCRLs(d.files)
	}, 1, []string{"peers would refuse our certificate: revoked"}, false},
	{"C2 issuing CA revoked", func(d *deployment) {
		d.ca.Root.Revoke(d.ca.Issuing.Cert)
		d.ca.WriteCRLs(d.files)
	}, 1, []string{"peers would refuse our certificate: ca_revoked",
		`revocation   of CAs that "TEST tlagate root" issued: the one looked at is revoked`}, false},
	{"C2 issuing CA as anchor", func(d *deployment) {
		d.configure(strings.Replace(goodConfig, "root.pem", "issuing.pem", 1))
	}, 0, []string{`WARNING      the anchor "TEST tlagate issuing" is not self-signed, and as an anchor nothing can ` +
		`revoke it: name its root`}, true},
	{"certificate expired", func(d *deployment) { d.certificate(ours, pkitest.Expired()) }, 1,
		[]string{"expired"}, false},
	{"certificate of a PdT", func(d *deployment) { d.certificate("urn:tlagate:cab1:pdt:p1") }, 1,
		[]string{"wrong_role"}, false},
	{"certificate for clients", func(d *deployment) { d.certificate(ours, pkitest.EKU(x509.ExtKeyUsageClientAuth)) }, 1,
		[]string{"ext_key_usage", "want serverAuth alone (issue one with --profile gateway-server)"}, false},
	{"certificate without a name", func(d *deployment) {
		pkitest.WriteCertificate(d.t, d.dir, "gateway", d.ca.Issue(tla1, x509.ExtKeyUsageClientAuth))
	}, 1, []string{", for no DNS name, until ", "--profile gateway-server"}, false},
	{"certificate of another CA", func(d *deployment) {
		d.ca = pkitest.New(d.t)
		d.certificate(ours)
	}, 1, []string{"WRONG"}, false},

	{"no configuration", func(d *deployment) { d.remove("gateway.yaml") }, 2, []string{"cannot read the configuration"},
		false},
	{"unknown key", func(d *deployment) { d.configure(goodConfig + "lissen: x\n") }, 2,
		[]string{`unknown key "lissen"`}, false},
	{"no listen", func(d *deployment) { d.configure(strings.Replace(goodConfig, "listen: \"127.0.0.1:0\"\n", "", 1)) },
		2, []string{"listen is missing"}, false},
	{"lowest version", func(d *deployment) {
		d.configure(goodConfig + "min_version: {tla-relay: 1.x, pdt: 1.0.0}\n")
	}, 2, []string{`min_version: tla-relay: cannot read "1.x"`, `"pdt" is no program of devices`}, false},
	{"version demanded, and none said", func(d *deployment) { d.configure(goodConfig + "require_version: true\n") }, 2,
		[]string{"require_version says nothing without min_version"}, false},
	{"clones", func(d *deployment) { d.configure(goodConfig + "clones: kill\n") }, 2,
		[]string{`clones: cannot use "kill": want tell or refuse`}, false},
	{"fleet", func(d *deployment) {
		d.configure(goodConfig + "min_version: {tla-pdt: 1.0.0}\nrequire_version: true\nclones: refuse\n")
	}, 0, nil, true},
	{"negative limit", func(d *deployment) { d.configure(goodConfig + "limits: {drain: -1s}\n") }, 2,
		[]string{"limits.drain is negative"}, false},
	{"negative limit of a practice", func(d *deployment) {
		d.configure(goodConfig + "limits: {per_practice: {opens_per_second: -1}}\n")
	}, 2, []string{"limits.per_practice.opens_per_second is negative"}, false},
	{"balancers", func(d *deployment) { d.configure(goodConfig + "proxy_from: [10.0.0.0/28]\n") }, 0,
		[]string{"connections from 10.0.0.0/28 begin with a PROXY header"}, true},
	{"everybody a balancer", func(d *deployment) { d.configure(goodConfig + "proxy_from: [0.0.0.0/0]\n") }, 2,
		[]string{"cannot use proxy_from[0]", "anybody"}, false},
	{"balancers by name", func(d *deployment) { d.configure(goodConfig + "proxy_from: [lb.example]\n") }, 2,
		[]string{"cannot use proxy_from[0]", "want 10.0.0.0/28"}, false},
	{"metrics", func(d *deployment) { d.configure(goodConfig + "metrics: 127.0.0.1:0\n") }, 0,
		[]string{"metrics      127.0.0.1:0"}, true},
	{"metrics for all", func(d *deployment) { d.configure(goodConfig + "metrics: \":9464\"\n") }, 2,
		[]string{"cannot serve metrics on", "127.0.0.1:PORT"}, false},
	{"metrics of a name", func(d *deployment) { d.configure(goodConfig + "metrics: \"metrics.example:9464\"\n") }, 2,
		[]string{"cannot serve metrics on"}, false},
	{"enrolment", func(d *deployment) {
		d.configure(goodConfig + "enrolment: {name: pki.example, to: \"pki:8445\"}\n")
	}, 0,
		[]string{"for enrol.tlagate.invalid pki.example piped to pki:8445"}, true},
	{"enrolment for a name of ours", func(d *deployment) {
		d.configure(goodConfig + "enrolment: {name: localhost, to: \"pki:8445\"}\n")
	}, 1, []string{"it is a name in our own certificate"}, false},
	{"enrolment nowhere", func(d *deployment) { d.configure(goodConfig + "enrolment: {to: pki}\n") }, 2,
		[]string{"want HOST:PORT of the PKI"}, false},
	{"enrolment of less than none", func(d *deployment) {
		d.configure(goodConfig + "enrolment: {to: \"pki:8445\", per_address: -1}\n")
	}, 2, []string{"negative"}, false},
	{"enrolment at port 0", func(d *deployment) { d.configure(goodConfig + "enrolment: {to: \"pki:0\"}\n") }, 2,
		[]string{"from 1 to 65535"}, false},
	{"listening on no port", func(d *deployment) {
		d.configure(strings.Replace(goodConfig, "127.0.0.1:0", "127.0.0.1:70000", 1))
	}, 2, []string{"cannot use listen", "from 1 to 65535"}, false},
	{"push by an IP address", func(d *deployment) {
		d.configure(goodConfig + "push: [{url: \"https://192.0.2.7:8444\", client: {cert: gateway.pem, key: " +
			"gateway.key}}]\n")
	}, 2, []string{"push[0].url", "the server proves a name"}, false},
	{"push over FTP", func(d *deployment) {
		d.configure(goodConfig + "push: [{url: \"ftp://pki:8444\", client: {cert: gateway.pem, key: gateway.key}}]\n")
	}, 2, []string{"push[0].url", "scheme ftp is not known"}, false},
	{"renewal at an IP address", func(d *deployment) {
		d.configure(goodConfig + "renewal: {pki: " +
			"\"192.0.2.7:8445\"}\n")
	}, 2,
		[]string{"cannot use renewal.pki", "the server proves a name"}, false},
	{"a CRL of LDAP", func(d *deployment) {
		d.configure(strings.Replace(goodConfig, "issuing.crl", "\"LDAP://pki.example/cn=crl\"", 1))
	}, 2, []string{"cannot fetch the CRL", "scheme ldap is not known"}, false},
	{"a responder that can never be", func(d *deployment) {
		d.configure(goodConfig + "  ocsp: {responders: " +
			"[\"http://ocsp example\"]}\n")
	}, 2,
		[]string{"cannot ask OCSP responder"}, false},
	{"renewal too late", func(d *deployment) { d.configure(goodConfig + "renewal: {at: 1.5}\n") }, 2,
		[]string{"no share of a certificate's life"}, false},
	{"access of nobody", func(d *deployment) { d.configure(goodConfig + "access:\n- {tla: \"" + tla1 + "\"}\n") }, 2,
		[]string{"access[0].pdt:"}, false},
	{"key missing", func(d *deployment) { d.remove("gateway.key") }, 2, []string{"gateway.key"}, false},
	{"key for all to read", func(d *deployment) {
		require.NoError(d.t, os.Chmod(filepath.Join(d.dir, "gateway.key"), 0o644))
	}, 2, []string{"chmod 600"}, false},
	{"anchor missing", func(d *deployment) { d.remove("root.pem") }, 2, []string{"root.pem"}, false},
}

func TestCheck(t *testing.T) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d := deploy(t)
			c.spoil(d)
			var out output
			require.Equal(t, c.check, command(t.Context(), &out, &out, "check", "-c", d.config), out.String())
			for _, s := range c.says {
				require.Contains(t, out.String(), s)
			}
		})
	}
}

// TestCheckSaysAllThatIsWrong: not only the first fault.
func TestCheckSaysAllThatIsWrong(t *testing.T) {
	d := deploy(t)
	d.remove("root.pem")
	d.remove("gateway.key")
	d.configure(`lissen: x
listen: "127.0.0.1:70000"
identity: {cert: gateway.pem, key: gateway.key}
client: {cert: none.pem, key: none.key}
trust:
  anchors: [{file: root.pem, practices: ["*"]}, {file: other.pem}]
  intermediates: [none.crt]
  crls: ["gopher://pki/crl"]
  ocsp: {responders: ["http://:80", "http://ocsp:0"], timeout: soon}
  deny_list: denied.txt
limits: {drain: -1s, recheck: -2s}
enrolment: {to: "pki:0", per_address: -1}
renewal: {at: 2, pki: "192.0.2.1:1"}
push: [{url: "https://10.0.0.1"}, {url: "x"}]
access: [{tla: x}]
bundles: nowhere
`)
	var out output
	require.Equal(t, 2, command(t.Context(), &out, &out, "check", "-c", d.config))
	for _, want := range []string{`unknown key "lissen"`, "cannot use listen", "gateway.key", "none.pem", "root.pem",
		"other.pem", "none.crt", "scheme gopher",
		`OCSP responder "http://:80"`, `OCSP responder "http://ocsp:0"`, `"trust.ocsp.timeout" is no time`,
		"denied.txt", "limits.drain", "limits.recheck",
		"cannot use enrolment.to", "enrolment.per_address", "renewal.at", "renewal.pki", "push[0].url", "push[1].url",
		"access[0]", "nowhere"} {
		require.Regexp(t, "(?m)^WRONG .*"+regexp.QuoteMeta(want), out.String())
	}
}

// TestC2CheckTellsWhatTerminalsWillMiss: what we have may suffice for us and not for them.
func TestC2CheckTellsWhatTerminalsWillMiss(t *testing.T) {
	d := deploy(t)
	responder := d.ca.Issuing.ServeOCSP(t)
	check := func(want int, trust string) string {
		t.Helper()
		d.configure(strings.Replace(goodConfig, "  crls: [root.crl, issuing.crl]\n", trust, 1) + "user: {mode: off}\n")
		var out output
		require.Equal(t, want, command(t.Context(), &out, &out, "check", "-c", d.config), out.String())
		return out.String()
	}
	asking := "  ocsp: {responders: [\"" + responder.URL + "\"]}\n"
	const both = "  crls: [root.crl, issuing.crl]\n"
	text := check(0, both)
	require.Regexp(t, `WARNING +no OCSP responder is asked: TLAs and PdTs .*crl_missing`, text)
	require.Regexp(t, `revocation +of components that "TEST tlagate issuing" issued: by CRL, until `, text)
	require.Regexp(t, `revocation +of CAs that "TEST tlagate root" issued: by CRL, until `, text)

	text = check(0, "  crls: [root.crl]\n"+asking)
	require.NotContains(t, text, "WARNING")
	require.Regexp(t, `revocation +of components that "TEST tlagate issuing" issued: by OCSP`, text)
	require.Contains(t, check(1, "  crls: [root.crl]\n"),
		`cannot tell which components that "TEST tlagate issuing" issued are revoked`)
	require.Contains(t, check(1, asking), `cannot tell which CAs that "TEST tlagate root" issued are revoked`)

	responder.AnswerRaw(pkitest.OCSPError(2))
	text = check(1, both+asking)
	require.Regexp(t,
		`WRONG +cannot get an OCSP answer about our own certificate, and terminals without a CRL .* will refuse us: `+
			`ocsp_error`, text)
	require.Regexp(t, `revocation +of components that "TEST tlagate issuing" issued: by CRL`, text,
		"we ourselves have the list")
	text = check(1, "  crls: [root.crl]\n"+asking)
	require.Contains(t, text, "peers would refuse our certificate: ocsp_error")
}

// TestCheckWarnsOfAnARLForDays: a list for half a year is to be renewed long before its last hours.
func TestCheckWarnsOfAnARLForDays(t *testing.T) {
	for left, want := range map[time.Duration]bool{10 * 24 * time.Hour: false, 3 * 24 * time.Hour: true} {
		d := deploy(t)
		pkitest.WriteCRL(t, d.files.ARL, d.ca.Root.CRL(pkitest.CRLValid(-170*24*time.Hour, left)))
		var out output
		require.Zero(t, command(t.Context(), &out, &out, "check", "-c", d.config))
		require.Equal(t, want, strings.Contains(out.String(), "this CRL ends in"), out.String())
	}
}

// TestHelpSaysWhatTheProgramIs: and where its configuration is when none is named, as for the other programs.
func TestHelpSaysWhatTheProgramIs(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"serve", "--help"}} {
		var out output
		app := &cli.App{Context: t.Context(), Stdout: &out, Stderr: &out}
		require.Zero(t, cli.Run(app, "tla-gateway", args, &grammar{}, nil, about))
		if len(args) == 1 {
			require.Contains(t, out.String(), "The meeting point of terminals")
		} else {
			require.Contains(t, out.String(), "/etc/tlagate/gateway.yaml")
		}
	}
}

func TestServeStartsOnlyWithAUsableConfiguration(t *testing.T) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d := deploy(t)
			c.spoil(d)
			s := d.serve()
			if c.serve {
				s.address()
				require.Zero(t, s.stopped())
				return
			}
			require.Equal(t, c.check, <-s.code, "as of check")
			require.NotContains(t, s.out.String(), "listening")
			require.Contains(t, s.errs.String(), "tla-gateway: cannot")
		})
	}
}

// server is a running tla-gateway.
type server struct {
	t         *testing.T
	stop      context.CancelFunc
	out, errs output
	code      chan int
}

func (d *deployment) serve() *server {
	s := &server{t: d.t, code: make(chan int, 1)}
	var ctx context.Context
	ctx, s.stop = context.WithCancel(context.Background())
	d.t.Cleanup(s.stop)
	go func() { s.code <- command(ctx, &s.out, &s.errs, "serve", "-c", d.config) }()
	return s
}

// address waits for the line that says where it listens.
func (s *server) address() (addr string) {
	require.Eventually(s.t, func() bool {
		var ok bool
		addr, ok = strings.CutPrefix(s.out.String(), "listening on ")
		return ok
	}, patience, 5*time.Millisecond)
	return strings.TrimSpace(addr)
}

func (s *server) stopped() int {
	s.stop()
	return <-s.code
}

func TestServe(t *testing.T) {
	d := deploy(t)
	s := d.serve()
	addr := s.address()
	roots := x509.NewCertPool()
	roots.AddCert(d.ca.Root.Cert)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots,
		ServerName: "localhost", NextProtos: []string{"http/1.1"},
		Certificates: []tls.Certificate{d.ca.Issue(tla1, x509.ExtKeyUsageClientAuth)}}}
	defer transport.CloseIdleConnections()
	for path, want := range map[string]string{"/v1/whoami": `"identity":"` + tla1 + `"`,
		"/v1/park": `"urn:tlagate:problem:wrong_role"`} {
		resp, err := (&http.Client{Transport: transport}).Get("https://" + addr + path)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		require.NoError(t, err)
		require.Contains(t, string(body), want)
	}
	require.Zero(t, s.stopped())
	require.Contains(t, s.errs.String(), "reason=wrong_role")
	require.Contains(t, s.errs.String(), "crypto=default")
}

func TestServeOnAPortInUse(t *testing.T) {
	d := deploy(t)
	s := d.serve()
	d.configure(strings.Replace(goodConfig, "127.0.0.1:0", s.address(), 1))
	other := d.serve()
	require.Equal(t, 1, <-other.code)
	require.Contains(t, other.errs.String(), "tla-gateway: cannot listen on")
	require.Zero(t, s.stopped())
}
