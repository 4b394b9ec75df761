package integration

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/integration/lab"
	"tlagate/integration/world"
	"tlagate/pki"
	"tlagate/pki/pkitest"
)

// connectProxy is an HTTP proxy that knows CONNECT alone, and only the names that a test gives it.
type connectProxy struct {
	listener net.Listener
	all      sync.WaitGroup

	mu     sync.Mutex        // protects the rest
	knows  map[string]string // host to host, in place of a resolver
	answer string            // sent to everything, in place of a connection; "" = connect
	asked  []string          // every request's target
	open   map[net.Conn]bool
}

func newConnectProxy(t *testing.T, knows map[string]string) *connectProxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &connectProxy{listener: l, knows: knows, open: map[net.Conn]bool{}}
	p.all.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// line returns the line of a configuration that names the proxy.
func (p *connectProxy) line() string { return "proxy: http://" + p.listener.Addr().String() }

func (p *connectProxy) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.all.Go(func() { p.serve(c) })
	}
}

func (p *connectProxy) serve(c net.Conn) {
	defer p.keep(c)()
	in := bufio.NewReader(c)
	req, err := http.ReadRequest(in)
	if err != nil || req.Method != http.MethodConnect {
		return
	}
	to, answer := p.look(req.RequestURI)
	if answer != "" {
		_, _ = io.WriteString(c, answer)
		return
	}
	over, err := net.Dial("tcp", to)
	if err != nil {
		_, _ = io.WriteString(c, "HTTP/1.1 502 Bad Gateway\r\n\r\n")
		return
	}
	defer p.keep(over)()
	_, _ = io.WriteString(c, "HTTP/1.1 200 Connection established\r\n\r\n")
	p.all.Go(func() { _, _ = io.Copy(over, in); over.Close() })
	_, _ = io.Copy(c, over)
}

// keep makes sure that a connection is closed when the test ends.
func (p *connectProxy) keep(c net.Conn) (drop func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open[c] = true
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.open, c)
		c.Close()
	}
}

func (p *connectProxy) look(target string) (to, answer string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, target)
	host, port, _ := net.SplitHostPort(target)
	if known, ok := p.knows[host]; ok {
		host = known
	}
	return net.JoinHostPort(host, port), p.answer
}

// say makes the proxy send an answer to everything; "" = connect.
func (p *connectProxy) say(answer string) { p.mu.Lock(); p.answer = answer; p.mu.Unlock() }

// lead makes the proxy connect to another address in place of host.
func (p *connectProxy) lead(host, elsewhere string) {
	p.mu.Lock()
	p.knows[host] = elsewhere
	p.mu.Unlock()
}

func (p *connectProxy) targets() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.asked)
}

func (p *connectProxy) close() {
	p.listener.Close()
	p.mu.Lock()
	for c := range p.open {
		c.Close()
	}
	p.mu.Unlock()
	p.all.Wait()
}

// onlyTheProxyKnows is a name that no resolver of this world knows.
const onlyTheProxyKnows = "gateway.c3.invalid"

// calledAlso adds names to a gateway's certificate.
func calledAlso(names ...string) pkitest.Option {
	return pkitest.Template(func(c *x509.Certificate) {
		c.DNSNames = append(c.DNSNames, names...)
	})
}

// newProxied returns a deployment whose gateway only a proxy can find.
func newProxied(t *testing.T) (*bed, *connectProxy) {
	t.Helper()
	b := newBed(t)
	b.ca.publish(t)
	b.Host = onlyTheProxyKnows
	b.GatewayKeys = b.keys("gateway", b.ca.Issue(lab.Gateway, x509.ExtKeyUsageServerAuth,
		calledAlso(onlyTheProxyKnows)))
	require.NoError(t, b.StartGateway())
	return b, newConnectProxy(t, map[string]string{onlyTheProxyKnows: "127.0.0.1"})
}

// TestC3ThroughAProxy: TLA and PdT reach the gateway through the proxy, and in no other way; the proxy alone looks up
// the gateway's name. An idle relay asks the proxy for nothing (C4).
func TestC3ThroughAProxy(t *testing.T) {
	b, p := newProxied(t)
	require.NoError(t, b.StartRelay(p.line()))
	require.Empty(t, p.targets(), "no connection before a start")
	b.startPdT(t, p.line())
	b.startAccepted(t)
	for _, target := range p.targets() {
		require.Equal(t, b.Via(), target)
	}

	t.Run("without it nobody gets there", func(t *testing.T) {
		require.NoError(t, b.RelayProc.Stop())
		require.NoError(t, b.StartRelay())
		require.Equal(t, "unreachable", b.startRefused(t).Code)
	})
}

// TestC3ProxyRefuses: the user and the log of the PdT tell each refusal of a proxy from the others, and none repeats
// the proxy's password.
func TestC3ProxyRefuses(t *testing.T) {
	b, p := newProxied(t)
	const password = "of-the-proxy-and-nobody-else"
	require.NoError(t, os.WriteFile(b.Path("proxy-password"), []byte(password+"\n"), 0o600))
	lines := []string{"proxy: http://valise@" + p.listener.Addr().String(), "proxy_password: proxy-password"}
	require.NoError(t, b.StartRelay(lines...))
	require.NoError(t, b.LaunchPdT(lines...))
	for answer, want := range map[string]string{
		"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n":     "credentials",
		"HTTP/1.1 407 no\r\nProxy-Authenticate: NTLM\r\n\r\n":    "auth_scheme",
		"HTTP/1.1 302 Found\r\nLocation: http://portal/\r\n\r\n": "portal",
		"HTTP/1.1 403 Forbidden\r\n\r\n":                         "denied",
		"HTTP/1.1 503 Service Unavailable\r\n\r\n":               "target",
		"220 mail ESMTP\r\n":                                     "no_proxy",
	} {
		p.say(answer)
		why := b.startRefused(t)
		require.Equal(t, []string{"proxy", want, p.listener.Addr().String(), b.Via()},
			[]string{why.Code, why.Reason, why.Peer, why.Gateway})
	}
	p.say("HTTP/1.1 407 no\r\n\r\n")
	logged(t, b.PdTProc, b.PdTProc.Mark(), "no link to the gateway", "reason=proxy", "HTTP 407")
	out, err := b.Relay("start")
	require.ErrorContains(t, err, "il refuse le nom d'utilisateur ou le mot de passe", out)
	p.close()
	require.Equal(t, "unreachable", b.startRefused(t).Reason)
	for _, log := range [][]string{b.RelayProc.Lines(), b.PdTProc.Lines()} {
		require.NotContains(t, strings.Join(log, "\n"), password)
		require.NotContains(t, strings.Join(log, "\n"), "dmFsaXNl") // base64 of the user
	}
}

// TestC3AProxyCannotBeTheGateway: a proxy changes nothing about TLS. One that ends TLS itself shows another
// certificate, and is refused for that.
func TestC3AProxyCannotBeTheGateway(t *testing.T) {
	b, p := newProxied(t)
	other := pkitest.New(t)
	forged := other.Issue(lab.Gateway, x509.ExtKeyUsageServerAuth, calledAlso(onlyTheProxyKnows))
	middle, err := tls.Listen("tcp", "127.0.0.2:"+port(b.GatewayAddr),
		&tls.Config{Certificates: []tls.Certificate{forged}, NextProtos: []string{"http/1.1"},
			ClientAuth: tls.RequestClientCert})
	require.NoError(t, err)
	defer middle.Close()
	shaken := make(chan error, 9)
	go func() {
		for {
			c, err := middle.Accept()
			if err != nil {
				return
			}
			shaken <- c.(*tls.Conn).Handshake()
			c.Close()
		}
	}()
	require.NoError(t, b.StartRelay(p.line()))
	b.startPdT(t, p.line())
	b.startAccepted(t)
	p.lead(onlyTheProxyKnows, "127.0.0.2")
	why := b.startRefused(t)
	require.Equal(t, []string{"refused", string(pki.UnknownIssuer)}, []string{why.Code, why.Reason})
	require.Error(t, <-shaken, "no connection came about")
}

func port(addr string) string {
	_, p, _ := net.SplitHostPort(addr)
	return p
}

// TestC3SealedThroughAProxy: the first bundle, the session, and the bundle's refresh in the session go through the
// proxy that a sealed terminal's own file names.
func TestC3SealedThroughAProxy(t *testing.T) {
	s := newSealed(t)
	p := newConnectProxy(t, nil)
	require.NoError(t, s.SealRelay(p.line()))
	require.Equal(t, []string{s.Via()}, p.targets(), "the bundle was fetched through it")
	s.start(t)
	require.True(t, s.relay(t, "start").OK)
	require.NoError(t, world.Poll(patience, "the refresh inside the session", func() error {
		if n := len(p.targets()); n < 3 {
			return fmt.Errorf("%d connections came through the proxy", n)
		}
		return nil
	}))
	require.True(t, s.relay(t, "stop").OK)
	p.say("HTTP/1.1 403 Forbidden\r\n\r\n")
	why := s.startRefused(t)
	require.Equal(t, []string{"proxy", "denied"}, []string{why.Code, why.Reason})
}

// TestC3EnrolThroughAProxy: an enrolment goes through the proxy, and says when the proxy refuses it.
func TestC3EnrolThroughAProxy(t *testing.T) {
	b := newBoxBed(t)
	b.enrolGateway(t)
	p := newConnectProxy(t, nil)
	code := b.invite(t, lab.TLA, "--again")
	p.say("HTTP/1.1 407 no\r\n\r\n")
	_, err := b.Enroll("relay", []string{p.line()}, code, "--gateway", b.Named(b.GatewayAddr))
	require.ErrorContains(t, err, "through the proxy "+p.listener.Addr().String())
	require.ErrorContains(t, err, "HTTP 407")
	p.say("")
	out, err := b.Enroll("relay", []string{p.line()}, code, "--gateway", b.Named(b.GatewayAddr))
	require.NoError(t, err)
	require.Contains(t, out, "Terminal enrôlé")
	at := b.Named(b.GatewayAddr)
	require.Equal(t, []string{at, at, at}, p.targets(), "refused; then whom to trust, and the certificate")

	t.Run("and the renewal, inside a session", func(t *testing.T) {
		_, err := b.Enroll("pdt", nil, b.invite(t, lab.PdT, "--dns", "bureau.cabinet-demo.invalid", "--again"),
			"--gateway", at)
		require.NoError(t, err)
		require.NoError(t, b.StartPdT())
		before := serial(t, b.TLAKeys.Cert)
		require.NoError(t, b.StartRelay(p.line(), "renewal: {at: 0.0000001}"))
		require.True(t, b.relay(t, "start").OK)
		renewed(t, b.TLAKeys.Cert, before)
		require.True(t, b.relay(t, "stop").OK)
		require.GreaterOrEqual(t, len(p.targets()), 5, "the session, and the renewal")
	})
}

// TestC3Tinyproxy: with a proxy that others wrote, and with a user and a password.
func TestC3Tinyproxy(t *testing.T) {
	b := newBed(t)
	b.ca.publish(t)
	require.NoError(t, b.StartGateway())
	n, err := world.Port()
	require.NoError(t, err)
	conf := fmt.Sprintf("Port %d\nListen 127.0.0.1\nTimeout 600\nAllow 127.0.0.1\nConnectPort %s\nBasicAuth valise "+
		"s3cret\n", n, port(b.GatewayAddr))
	require.NoError(t, os.WriteFile(b.Path("tinyproxy.conf"), []byte(conf), 0o600))
	proc, err := world.Start(world.Command{Name: "tinyproxy", Path: "tinyproxy",
		Args: []string{"-d", "-c", b.Path("tinyproxy.conf")}})
	require.NoError(t, err)
	t.Cleanup(proc.Kill) // told to stop, it waits for the links that it carries
	listens(t, world.Addr(n))
	require.NoError(t, os.WriteFile(b.Path("proxy-password"), []byte("wrong"), 0o600))
	lines := []string{"proxy: http://valise@" + world.Addr(n), "proxy_password: proxy-password"}
	require.NoError(t, b.StartRelay(lines...))
	require.Equal(t, "credentials", b.startRefused(t).Reason)
	require.NoError(t, os.WriteFile(b.Path("proxy-password"), []byte("s3cret\n"), 0o600))
	b.startPdT(t, lines...)
	b.startAccepted(t)
}

func listens(t *testing.T, addr string) {
	t.Helper()
	require.NoError(t, world.Poll(patience, addr, func() error {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err
	}))
}
