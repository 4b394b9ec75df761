package pdt

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/internal/logtest"
	"tlagate/pki"
	"tlagate/pki/pkitest"
	"tlagate/pki/revocation"
	"tlagate/pki/trust"
	"tlagate/session"
	"tlagate/session/consent/consenttest"
	"tlagate/session/link"
)

var (
	thePdT     = pki.Identity{Practice: "cabinet", Role: pki.RolePdT, Name: "poste1"}
	theTLA     = pki.Identity{Practice: "cabinet", Role: pki.RoleTLA, Name: "terminal1"}
	foreignTLA = pki.Identity{Practice: "voisin", Role: pki.RoleTLA, Name: "terminal1"}
	theGateway = pki.Identity{Practice: "operateur", Role: pki.RoleGateway, Name: "gw1"}
)

// lab is a PKI, and the trust that all parties share.
type lab struct {
	t     *testing.T
	ca    *pkitest.PKI
	files pkitest.Files
	trust *trust.Trust
}

// newLab makes what gateways, PdT and TLAs need, in a test that runs in parallel with others.
func newLab(t *testing.T) *lab {
	t.Parallel()
	ca := pkitest.New(t)
	files := ca.WriteTrust(t.TempDir())
	trust, err := trust.Open(trust.Config{
		Anchors:    []trust.AnchorFile{{File: files.Anchor, Practices: []string{"*"}}},
		Revocation: revocation.Config{CRLs: files.CRLs()},
	})
	require.NoError(t, err)
	return &lab{t, ca, files, trust}
}

func (l *lab) certificate(id pki.Identity, usage x509.ExtKeyUsage, opts ...pkitest.Option) tls.Certificate {
	return l.ca.Issue(id.String(), usage, opts...)
}

func (l *lab) party(c tls.Certificate) trust.Party {
	return trust.Party{Trust: l.trust, Certificate: func() *tls.Certificate { return &c }, Timeout: patience}
}

// revoke revokes a certificate, and has the trust read the new CRL.
func (l *lab) revoke(c tls.Certificate) {
	l.ca.Issuing.Revoke(c.Leaf)
	l.ca.WriteCRLs(l.files)
	l.trust.Reload()
}

// fakeGateway parks links as a gateway does; the test joins them.
type fakeGateway struct {
	t      *testing.T
	lab    *lab
	cert   tls.Certificate
	l      net.Listener
	parked chan *link.Conn
	more   string                       // header fields of the 101, each with its end of line
	count  atomic.Int32                 // links parked, ever
	refuse atomic.Pointer[link.Problem] // not nil = the answer to a park
	chain  atomic.Pointer[[][]byte]     // declared by the last park
	conns  sync.WaitGroup               // accept loop and its handshakes
	open   map[net.Conn]struct{}        // under mu
	mu     sync.Mutex
}

func newFakeGateway(l *lab) *fakeGateway {
	return newFakeGatewayAs(l, l.certificate(theGateway, x509.ExtKeyUsageServerAuth, pkitest.DNS("gw.test")))
}

func newFakeGatewayAs(l *lab, cert tls.Certificate) *fakeGateway {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(l.t, err)
	g := &fakeGateway{t: l.t, lab: l, l: listener, parked: make(chan *link.Conn, 99), open: map[net.Conn]struct{}{},
		cert: cert}
	g.conns.Go(g.accept)
	l.t.Cleanup(g.close)
	return g
}

func (g *fakeGateway) close() {
	g.l.Close()
	g.mu.Lock()
	for c := range g.open {
		c.Close()
	}
	g.mu.Unlock()
	g.conns.Wait()
	for len(g.parked) > 0 {
		(<-g.parked).Close()
	}
}

func (g *fakeGateway) accept() {
	for {
		c, err := g.l.Accept()
		if err != nil {
			return
		}
		g.mu.Lock()
		g.open[c] = struct{}{}
		g.mu.Unlock()
		g.conns.Go(func() { g.park(c) })
	}
}

func (g *fakeGateway) park(c net.Conn) {
	party := g.lab.party(g.cert)
	conn, _, err := party.Server(context.Background(), c, trust.ALPNOuter, trust.Want{Usage: x509.ExtKeyUsageClientAuth,
		Roles: []pki.Role{pki.RolePdT}})
	if err != nil {
		return
	}
	r := bufio.NewReader(conn)
	req, err := http.ReadRequest(r)
	if err != nil {
		conn.Close()
		return
	}
	if p := g.refuse.Load(); p != nil {
		w := httptest.NewRecorder()
		p.WriteTo(w)
		_ = w.Result().Write(conn)
		conn.Close()
		return
	}
	chain, _ := link.ServerCert(req.Header)
	g.chain.Store(&chain)
	g.count.Add(1)
	_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+
		"tla-session/1\r\n"+g.more+"\r\n")
	g.parked <- link.New(conn, r, link.Config{Heartbeat: patience})
}

// join takes a parked link and returns the TLA's end of it.
func (g *fakeGateway) join(j link.Joined) net.Conn {
	g.t.Helper()
	l := g.take()
	require.NoError(g.t, l.WriteJoined(j))
	return g.splice(l)
}

func (g *fakeGateway) take() *link.Conn {
	g.t.Helper()
	select {
	case l := <-g.parked:
		return l
	case <-time.After(patience):
		require.FailNow(g.t, "no link is parked")
		return nil
	}
}

// splice connects a link with the connection it returns.
func (g *fakeGateway) splice(l *link.Conn) net.Conn {
	a, b := net.Pipe()
	go func() { _, _ = io.Copy(b, l); b.Close(); l.Close() }()
	go func() { _, _ = io.Copy(l, b); b.Close(); l.Close() }()
	g.t.Cleanup(func() { a.Close(); l.Close() })
	return a
}

// openAs does what a TLA does, the inner handshake included.
func (g *fakeGateway) openAs(tla tls.Certificate, j link.Joined) (net.Conn, error) {
	if j.Consent == "" {
		var err error
		if j.Consent, err = consenttest.By(tla, thePdT.String(), j.Session)(j.Nonce); err != nil {
			return nil, err
		}
	}
	party := g.lab.party(tla)
	conn, _, err := party.Client(context.Background(), g.join(j), trust.ALPNCard,
		trust.Want{Usage: x509.ExtKeyUsageServerAuth, Identity: thePdT})
	if err != nil {
		return nil, err
	}
	return conn, nil
}

// runningTLA is a TLA in session.
type runningTLA struct {
	*session.Terminal
	id  session.ID
	end chan error
}

// start opens a session; up or ended tell how it went.
func (g *fakeGateway) start(tla tls.Certificate, as pki.Identity) *runningTLA {
	g.t.Helper()
	r := &runningTLA{id: session.NewID(), end: make(chan error, 1)}
	conn, err := g.openAs(tla, link.Joined{Generation: 1, TLA: as.String(), Session: r.id.String()})
	require.NoError(g.t, err)
	party := g.lab.party(tla)
	r.Terminal, err = session.OpenTerminal(conn, session.TerminalConfig{ID: r.id,
		Timers: session.Timers{Heartbeat: patience}})
	require.NoError(g.t, party.Explain(err))
	go func() { r.end <- party.Explain(r.Terminal.Run(context.Background())) }()
	return r
}

// up waits until the PdT has accepted the session.
func (r *runningTLA) up(t *testing.T) *runningTLA {
	t.Helper()
	select {
	case <-r.Up():
	case err := <-r.end:
		require.FailNow(t, "session is not up", "%v", err)
	}
	return r
}

// ended waits for the end and returns the bye.
func (r *runningTLA) ended(t *testing.T) *session.Bye {
	t.Helper()
	var bye *session.Bye
	select {
	case err := <-r.end:
		require.ErrorAs(t, err, &bye)
	case <-time.After(patience):
		require.FailNow(t, "session does not end")
	}
	return bye
}

// poste is a running service.
type poste struct {
	*Service
	log  *logtest.Buffer
	stop func()
}

type setting func(*Config)

// newPoste runs a PdT on gateways, which it knows as gw.test:1, gw.test:2 …
func newPoste(l *lab, gateways []*fakeGateway, settings ...setting) *poste {
	p := &poste{log: new(logtest.Buffer)}
	cfg := Config{
		Client: l.party(l.certificate(thePdT, x509.ExtKeyUsageClientAuth)),
		Server: l.party(l.certificate(thePdT, x509.ExtKeyUsageServerAuth)),
		Retry:  time.Millisecond, RetryMax: 5 * time.Millisecond, Recheck: time.Hour, Heartbeat: patience,
		Log: slog.New(slog.NewTextHandler(p.log, nil)),
	}
	addresses := map[string]string{}
	for i, g := range gateways {
		name := "gw.test:" + string(rune('1'+i))
		cfg.Gateways = append(cfg.Gateways, name)
		addresses[name] = g.l.Addr().String()
	}
	cfg.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, addresses[address])
	}
	for _, s := range settings {
		s(&cfg)
	}
	s, err := New(cfg)
	require.NoError(l.t, err)
	p.Service = s
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	p.stop = sync.OnceFunc(func() { cancel(); require.NoError(l.t, <-done) })
	l.t.Cleanup(p.stop)
	return p
}

// directReader is the Reader of a Go program that uses cards without a driver.
type directReader struct{ cards chan *Card }

func newDirectReader() *directReader { return &directReader{make(chan *Card, 9)} }

func (r *directReader) Show(ctx context.Context, card *Card) {
	r.cards <- card
	card.Seen()
	<-ctx.Done()
}

// echoCard answers with the command's data and 9000.
type echoCard struct{}

func (echoCard) Transmit(apdu []byte) ([]byte, error) {
	return append(append([]byte{}, apdu...), 0x90, 0), nil
}
func (echoCard) Reset(session.ResetKind) ([]byte, error) { return append([]byte{}, renewedATR...), nil }

func (p *poste) logged(text string) bool { return strings.Contains(p.log.String(), text) }

// refused returns the reason for which a TLA was refused in the session with that id.
func (p *poste) refused(id string) string {
	for line := range strings.Lines(p.log.String()) {
		if strings.Contains(line, "TLA refused") && strings.Contains(line, "session="+id) {
			_, after, _ := strings.Cut(line, "reason=")
			reason, _, _ := strings.Cut(after, " ")
			return reason
		}
	}
	return ""
}
