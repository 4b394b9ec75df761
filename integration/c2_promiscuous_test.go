package integration

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/integration/world"
	"tlagate/session/link"
)

// promiscuous is a gateway that somebody has broken into: it has a good certificate, looks at no other, and joins any
// peers, itself included. What the ends refuse nevertheless is what protects them from it (C2, DL1).
type promiscuous struct {
	t        *testing.T
	addr     string
	listener net.Listener
	serving  sync.WaitGroup
	busy     atomic.Int32 // connections that are being served

	parked chan *link.Conn // links of PdTs

	mu     sync.Mutex // protects the rest
	conf   *tls.Config
	behave func(net.Conn)                          // instead of TLS
	open   func(l *link.Conn, auth joinedBy) error // serves a TLA
	conns  []net.Conn
	said   []error // outcome of each handshake, as the server saw it
}

// joinedBy is what a TLA asked for.
type joinedBy struct{ link.Authorization }

// newPromiscuous starts one at the address of the deployment's gateway, with its certificate.
func newPromiscuous(t *testing.T, b *bed) *promiscuous {
	t.Helper()
	p := &promiscuous{t: t, addr: b.GatewayAddr, parked: make(chan *link.Conn, 16)}
	p.reset(b)
	var err error
	p.listener, err = net.Listen("tcp", p.addr)
	require.NoError(t, err)
	p.serving.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// reset makes it a gateway without a defect of its own.
func (p *promiscuous) reset(b *bed) {
	p.set(func() {
		p.conf = &tls.Config{Certificates: []tls.Certificate{readKeys(p.t, b.GatewayKeys)},
			ClientAuth: tls.RequestClientCert,
			NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12}
		p.behave, p.open, p.said = nil, nil, nil
	})
}

func (p *promiscuous) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

// heard returns the outcomes of the handshakes so far.
func (p *promiscuous) heard() []error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]error(nil), p.said...)
}

// waitAlert waits until the other side has refused by an alert whose text contains word.
func (p *promiscuous) waitAlert(word string) {
	p.t.Helper()
	require.NoError(p.t, world.Poll(patience, "the alert "+word, func() error {
		heard := p.heard()
		for _, err := range heard {
			if err != nil && strings.Contains(err.Error(), "remote error") && strings.Contains(err.Error(), word) {
				return nil
			}
		}
		return fmt.Errorf("heard %v", heard)
	}))
}

func (p *promiscuous) close() {
	require.NoError(p.t, p.listener.Close())
	p.mu.Lock()
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.serving.Wait()
}

func (p *promiscuous) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		p.conns = append(p.conns, c)
		conf, behave := p.conf, p.behave
		p.mu.Unlock()
		p.busy.Add(1)
		p.serving.Go(func() {
			defer p.busy.Add(-1)
			if behave != nil {
				behave(c)
				return
			}
			p.serve(tls.Server(c, conf))
		})
	}
}

func (p *promiscuous) serve(c *tls.Conn) {
	err := c.Handshake()
	p.set(func() { p.said = append(p.said, err) })
	if err != nil {
		_ = c.Close()
		return
	}
	if c.ConnectionState().DidResume {
		p.t.Error("a relay or PdT resumed a session on the outer link")
	}
	r := bufio.NewReader(c)
	req, err := http.ReadRequest(r)
	if err != nil {
		_ = c.Close()
		return
	}
	switch req.URL.Path {
	case link.PathPark:
		_, _ = io.WriteString(c, upgradeAnswer)
		p.parked <- link.New(c, r, link.Config{})
	case link.PathOpen:
		p.serveOpen(c, r)
	default:
		_ = c.Close()
	}
}

const upgradeAnswer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + link.Protocol +
	"\r\n\r\n"

// serveOpen answers any TLA with a nonce, and then calls open with what it asks for.
func (p *promiscuous) serveOpen(c net.Conn, r *bufio.Reader) {
	body, _ := json.Marshal(map[string]any{"type": "urn:tlagate:problem:consent_required", "title": "consent required",
		"status": 401, "detail": "Again."})
	nonce := strings.Repeat("A", 43)
	fmt.Fprintf(c,
		"HTTP/1.1 401 Unauthorized\r\nContent-Type: application/problem+json\r\nWWW-Authenticate: "+
			"%s\r\nContent-Length: %d\r\n\r\n%s",
		link.Challenge(nonce, false), len(body), body)
	req, err := http.ReadRequest(r)
	if err != nil {
		_ = c.Close()
		return
	}
	auth, err := link.ParseAuthorization(req.Header.Get("Authorization"))
	p.mu.Lock()
	open := p.open
	p.mu.Unlock()
	if err != nil || open == nil {
		_ = c.Close()
		return
	}
	_, _ = io.WriteString(c, upgradeAnswer)
	l := link.New(c, r, link.Config{})
	defer l.Close()
	err = open(l, joinedBy{auth})
	p.set(func() { p.said = append(p.said, err) })
}

// forgetParked closes the links that are parked.
func (p *promiscuous) forgetParked(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		for {
			select {
			case l := <-p.parked:
				_ = l.Close()
			default:
				return p.busy.Load() == 0 && len(p.parked) == 0
			}
		}
	}, patience, time.Millisecond)
}

// joinAny joins a TLA to the next parked link, under any name.
func (p *promiscuous) joinAny(tla string) func(*link.Conn, joinedBy) error {
	return func(l *link.Conn, auth joinedBy) error {
		var far *link.Conn
		select {
		case far = <-p.parked:
		case <-time.After(patience):
			return errors.New("no link is parked")
		}
		defer far.Close()
		if err := far.WriteJoined(link.Joined{Generation: 1, TLA: tla, Session: auth.Session, Nonce: auth.Nonce,
			Consent: auth.Consent}); err != nil {
			return err
		}
		var both sync.WaitGroup
		both.Go(func() { _, _ = io.Copy(far, l); _ = far.Close() })
		_, _ = io.Copy(l, far)
		_ = l.Close()
		both.Wait()
		return nil
	}
}
