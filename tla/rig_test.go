package tla

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/pkitest"
	"tlagate/pki/revocation"
	"tlagate/pki/trust"
	"tlagate/session"
	"tlagate/session/consent"
	"tlagate/session/link"
	"tlagate/session/proof"
	"tlagate/session/ticket"
	"tlagate/tla/cards"
	"tlagate/tla/cards/cardstest"
	"tlagate/tla/pin"
	"tlagate/tla/policy"
)

const (
	tlaURN = "urn:tlagate:cabinet:tla:valise"
	pdtURN = "urn:tlagate:cabinet:pdt:bureau"
	gwURN  = "urn:tlagate:operateur:gateway:gw1"
)

// rig is a relay with a fake reader pair, and a gateway and PdT of real TLS whose behaviour a test scripts.
type rig struct {
	t       *testing.T
	ca      *pkitest.PKI
	files   pkitest.Files
	trust   *trust.Trust // of all parties
	fake    *cardstest.Service
	readers *cards.Readers
	relay   *Relay
	cfg     Config
	dials   atomic.Int32
	open    atomic.Int32 // sockets of the relay
	frozen  atomic.Bool

	// The script, which is set before a start.
	tla, gateway, pdt tls.Certificate
	problem           *link.Problem                // the gateway's answer to the second open
	bye               *session.Bye                 // the PdT's answer to the hello
	silent            bool                         // the PdT does not answer the hello
	shows             bool                         // the PdT tells when its programs see a card
	wantTLA           trust.Want                   // of the PdT
	tickets           bool                         // the gateway issues tickets: lost links may come back
	barred            atomic.Pointer[link.Problem] // not nil: its answer to a ticket
	takesTrace        bool                         // the gateway takes lines of the terminal's trace
	wantsProof        bool                         // the gateway asks for the user's proof
	unproven          *link.Problem                // not nil: its answer to an open without one
	proofs            chan *proof.Proof            // what it got, verified; nil = none
	numbers           chan string                  // the incident number of each request
	onUp              func(*link.Conn)             // called when the session is up, from the gateway
	ends              chan error                   // how sessions ended at the PdT
	inserted          chan session.Slot            // what the PdT saw
	removed           chan session.Slot
	workstation       atomic.Pointer[session.Workstation]
	epochs            [session.Slots]atomic.Uint32
	listener          net.Listener
	wg                sync.WaitGroup
}

// newRig returns a terminal, for a test that runs beside others.
func newRig(t *testing.T) *rig {
	t.Parallel()
	return newRigAlone(t)
}

// newRigAlone is like newRig, for a test that looks at all of this process.
func newRigAlone(t *testing.T) *rig {
	g := &rig{t: t, ca: pkitest.New(t), fake: cardstest.New("left", "right"),
		numbers: make(chan string, 99), proofs: make(chan *proof.Proof, 99),
		ends: make(chan error, 9), inserted: make(chan session.Slot, 99), removed: make(chan session.Slot, 99),
		wantTLA: trust.Want{Usage: x509.ExtKeyUsageClientAuth, Roles: []pki.Role{pki.RoleTLA}}}
	g.files = g.ca.WriteTrust(t.TempDir())
	g.tla = g.ca.Issue(tlaURN, x509.ExtKeyUsageClientAuth)
	g.gateway = g.ca.Issue(gwURN, x509.ExtKeyUsageServerAuth, pkitest.DNS("localhost"))
	g.pdt = g.ca.Issue(pdtURN, x509.ExtKeyUsageServerAuth)
	g.trust = g.openTrust()
	var err error
	g.listener, err = net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	g.readers = cards.NewReaders(cards.ReadersConfig{Service: g.fake})
	g.fake.During(t, g.readers.Run)
	t.Cleanup(g.close)
	_, port, _ := net.SplitHostPort(g.listener.Addr().String())
	g.cfg = Config{
		Gateways: []string{"localhost:" + port}, PdTs: []string{"bureau"}, Readers: g.readers, Dial: g.dial,
		Policy: reading(t),
		Party:  &trust.Party{Trust: g.trust, Certificate: func() *tls.Certificate { return &g.tla }, Timeout: patience},
		// long enough for a slow machine
		Timers: Timers{Dial: patience, Open: patience, Hello: patience, Take: patience, Heartbeat: patience},
	}
	return g
}

// byHand is the act of a user of the terminal.
var byHand = Act{Kind: consent.ActCommand, By: "uid 1000"}

// reading is a card policy that lets a card be read.
func reading(t *testing.T) *policy.Policy {
	p,
		err := policy.Compile(policy.Table{Version: 1,
		Profiles: []policy.Profile{{Name: "any card", Cards: []string{"3B*", "3F*"},
			Rules: []policy.Rule{{Name: "read", INS: "B0", Action: policy.Allow},
				{Name: "PIN", INS: "20", P1: "00", P2: "81", Action: policy.LocalPIN,
					PIN: &pin.Format{Min: 4, Max: 8, Length: 8, Pad: 0xFF}}},
			Proof: []policy.Proof{{Name: "PIV", Cards: []string{"3B9B*"}, AID: "A000000308000010000100",
				Verb: policy.GeneralAuthenticate, Key: "9A", Certificate: policy.ProofCertificate{Object: "5FC105"},
				PIN: policy.ProofPIN{P2: "80", Format: pin.Format{Min: 4, Max: 8, Length: 8, Pad: 0xFF}}}}}}})
	require.NoError(t, err)
	return p
}

func (g *rig) openTrust() *trust.Trust {
	trust, err := trust.Open(trust.Config{
		Anchors:    []trust.AnchorFile{{File: g.files.Anchor, Practices: []string{"*"}}},
		Revocation: revocation.Config{CRLs: g.files.CRLs()},
	})
	require.NoError(g.t, err)
	return trust
}

// run makes the relay with the rig's configuration; the script must not change any more.
func (g *rig) run() *Relay {
	g.wg.Go(g.serve)
	var err error
	g.relay, err = NewRelay(g.cfg)
	require.NoError(g.t, err)
	return g.relay
}

func (g *rig) close() {
	if g.relay != nil {
		g.relay.Close()
		require.Zero(g.t, g.open.Load(), "the relay leaves a socket open")
	}
	g.listener.Close()
	if w := g.workstation.Load(); w != nil {
		w.Leave(session.ByeShutdown, "")
		defer w.Close(net.ErrClosed)
	}
	g.wg.Wait()
}

// dial counts what it dials; 127.0.0.1 stands for localhost.
func (g *rig) dial(ctx context.Context, network, address string) (net.Conn, error) {
	g.dials.Add(1)
	_, port, _ := net.SplitHostPort(address)
	c, err := new(net.Dialer).DialContext(ctx, network, "127.0.0.1:"+port)
	if err != nil {
		return nil, err
	}
	g.open.Add(1)
	return &countedConn{Conn: c, rig: g}, nil
}

// countedConn is a socket of the relay; it receives nothing while the rig is frozen.
type countedConn struct {
	net.Conn
	rig  *rig
	once sync.Once
}

func (c *countedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	for err == nil && c.rig.frozen.Load() {
		n, err = c.Conn.Read(b)
	}
	return n, err
}

func (c *countedConn) Close() error {
	c.once.Do(func() { c.rig.open.Add(-1) })
	return c.Conn.Close()
}

func (g *rig) serve() {
	for {
		c, err := g.listener.Accept()
		if err != nil {
			return
		}
		g.wg.Go(func() {
			defer c.Close()
			g.gatewayEnd(c)
		})
	}
}

// gatewayEnd is a gateway that joins every open with the PdT of the rig.
func (g *rig) gatewayEnd(c net.Conn) {
	party := &trust.Party{Trust: g.trust, Certificate: func() *tls.Certificate { return &g.gateway }, Timeout: patience}
	outer, _, err := party.Server(context.Background(), c, trust.ALPNOuter,
		trust.Want{Usage: x509.ExtKeyUsageClientAuth})
	if err != nil {
		return
	}
	r := bufio.NewReader(outer)
	auth, ok := g.opened(outer, r)
	if !ok {
		return
	}
	l := link.New(outer, r, link.Config{Heartbeat: patience})
	defer l.Close()
	generation := uint32(1)
	if auth.Ticket != "" {
		generation, _ = ticket.Generation(auth.Ticket)
	}
	if g.tickets {
		text, err := ticket.Sign(ticket.Statement{TLA: tlaURN, PdT: pdtURN, Session: auth.Session,
			Generation: generation + 1}, nil, g.gateway.PrivateKey.(crypto.Signer))
		if err != nil || l.WriteTicket(text) != nil {
			return
		}
	}
	g.pdtEnd(l, auth.Session, generation)
}

// opened answers the two requests, or the one with a ticket; it reports whether the connection was upgraded.
func (g *rig) opened(c net.Conn, r *bufio.Reader) (a link.Authorization, ok bool) {
	var nonce [32]byte
	_, _ = rand.Read(nonce[:])
	req, err := http.ReadRequest(r)
	if err != nil || req.URL.Query().Get("pdt") != pdtURN {
		return a, false
	}
	g.asked(req)
	if a, err = link.ParseAuthorization(req.Header.Get("Authorization")); err == nil && a.Ticket != "" {
		if p := g.barred.Load(); p != nil {
			g.write(c, p)
			return a, false
		}
		return a, g.upgrade(c) == nil
	}
	g.write(c, &link.Problem{Code: link.ProblemConsentRequired, Detail: "Consent.", Action: "Sign."},
		"WWW-Authenticate", link.Challenge(base64.RawURLEncoding.EncodeToString(nonce[:]),
			g.wantsProof && link.CanProve(req.Header)))
	if req, err = http.ReadRequest(r); err != nil {
		return a, false
	}
	g.asked(req)
	if a, err = link.ParseAuthorization(req.Header.Get("Authorization")); err != nil {
		return a, false
	}
	said, err := consent.Verify(a.Consent, g.tla.Leaf.PublicKey,
		consent.Want{TLA: tlaURN, PdT: pdtURN, Session: a.Session,
			Nonce: base64.RawURLEncoding.EncodeToString(nonce[:]), Now: time.Now()})
	if err != nil || said.Act != byHand.Kind || said.By != byHand.By {
		return a, false
	}
	problem := g.problem
	if g.wantsProof && !g.proven(c.(*tls.Conn), a) && g.unproven != nil {
		problem = g.unproven
	}
	if problem != nil {
		g.write(c, problem)
		return a, false
	}
	return a, g.upgrade(c) == nil
}

// proven verifies and keeps the proof of an open; it reports whether there is one.
func (g *rig) proven(c *tls.Conn, a link.Authorization) bool {
	if a.Proof == "" {
		g.proofs <- nil
		return false
	}
	state := c.ConnectionState()
	exporter, err := state.ExportKeyingMaterial(proof.ExporterLabel, nil, proof.ExporterLen)
	require.NoError(g.t, err)
	p, err := proof.Parse(a.Proof)
	if err == nil {
		err = p.Verify(proof.Want{Gateway: gwURN, PdT: pdtURN, TLA: tlaURN, Session: a.Session, Nonce: a.Nonce,
			Consent: a.Consent, Exporter: hex.EncodeToString(exporter), Now: time.Now()})
	}
	require.NoError(g.t, err)
	g.proofs <- p
	return true
}

// asked keeps the number of a request, as long as a test may want it.
func (g *rig) asked(req *http.Request) {
	select {
	case g.numbers <- req.Header.Get(link.HeaderIncident):
	default:
	}
}

func (g *rig) upgrade(c net.Conn) error {
	answer := "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + link.Protocol + "\r\n"
	if g.takesTrace {
		answer += link.HeaderTrace + ": " + link.TakesTrace + "\r\n"
	}
	_, err := c.Write([]byte(answer + "\r\n"))
	return err
}

func (g *rig) write(c net.Conn, p *link.Problem, header ...string) {
	w := httptest.NewRecorder()
	for h := range slices.Chunk(header, 2) {
		w.Header().Set(h[0], h[1])
	}
	p.WriteTo(w)
	resp := w.Result()
	resp.ContentLength = int64(w.Body.Len())
	_ = resp.Write(c)
}

// untraced is the data of a link, without the lines of the terminal's trace.
type untraced struct {
	*link.Conn
	rest []byte
}

// Read implements net.Conn.
func (u *untraced) Read(b []byte) (int, error) {
	for len(u.rest) == 0 {
		t, payload, err := u.ReadRecord()
		if err != nil {
			return 0, err
		}
		if t == link.TypeData {
			u.rest = bytes.Clone(payload)
		}
	}
	n := copy(b, u.rest)
	u.rest = u.rest[n:]
	return n, nil
}

// pdtEnd is the PdT, at the other end of the gateway.
func (g *rig) pdtEnd(l *link.Conn, id string, generation uint32) {
	party := &trust.Party{Trust: g.trust, Certificate: func() *tls.Certificate { return &g.pdt }, Timeout: patience}
	inner, _, err := party.Server(context.Background(), &untraced{Conn: l}, trust.ALPNCard, g.wantTLA)
	if err != nil {
		g.ends <- err
		return
	}
	if w := g.workstation.Load(); generation > 1 {
		g.linkEnded(w, w.Resume(context.Background(), inner, generation, nil))
		return
	}
	w, err := session.OpenWorkstation(inner, session.WorkstationConfig{Session: id, Shows: g.shows,
		Timers:   session.Timers{Heartbeat: patience},
		Inserted: func(s session.Slot, i session.Inserted) { g.epochs[s].Store(i.Epoch); g.inserted <- s },
		Removed:  func(s session.Slot) { g.removed <- s }})
	switch {
	case err != nil:
		g.ends <- err
	case g.silent:
		_, _ = l.Conn.Read(make([]byte, 1<<16))
		for err == nil {
			_, err = l.Conn.Read(make([]byte, 1<<16))
		}
	case g.bye != nil:
		w.Refuse(g.bye.Code, g.bye.Text)
	default:
		g.workstation.Store(w)
		if g.onUp != nil {
			g.onUp(l)
		}
		g.linkEnded(w, w.Serve(context.Background()))
	}
}

// linkEnded ends the session, too, unless the link may come back.
func (g *rig) linkEnded(w *session.Workstation, err error) {
	if g.tickets && session.Resumable(err) && link.Resumable(err) {
		return
	}
	w.Close(err)
	g.ends <- err
}

// command has the card of a slot execute a command.
func (g *rig) command(s session.Slot) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return g.workstation.Load().Transmit(ctx, s, g.epochs[s].Load(), apdu)
}

func (g *rig) next(c chan session.Slot) session.Slot {
	g.t.Helper()
	select {
	case s := <-c:
		return s
	case <-time.After(patience):
		g.t.Fatal("the PdT saw nothing")
		return 0
	}
}

// seen returns which reader has the card of the slot; "" = none.
func (g *rig) seen(s session.Slot) string {
	occupants, _ := g.readers.Now()
	if occupants[s] == nil {
		return ""
	}
	return occupants[s].Reader
}

// apdu is a command that the card policy of the rig lets through.
var apdu = []byte{0, 0xB0, 0, 0, 0}
