package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"

	"tlagate/ca"
	"tlagate/integration/lab"
	"tlagate/integration/world"
	"tlagate/pemfile"
	"tlagate/pki"
	"tlagate/pki/revocation"
	"tlagate/pki/trust"
	"tlagate/session/consent/consenttest"
	"tlagate/session/link"
)

// crowd is many sessions of one gateway, each with a TLA, a PdT and a practice of its own. Both ends of each are in
// this process, which reads them as programs do.
type crowd struct {
	lab   *lab.Lab
	ca    *ca.CA
	trust *trust.Trust

	issuing sync.Mutex // held while a certificate is made

	mu    sync.Mutex // protects links
	links []*link.Conn
	got   atomic.Int64 // octets that came on all links
	lost  atomic.Int64 // links that ended
}

func newCrowd(l *lab.Lab) (*crowd, error) {
	c := &crowd{lab: l}
	var err error
	if c.ca, err = ca.Open(l.Path("pki"), ca.Options{}); err != nil {
		return nil, err
	}
	c.trust, err = trust.Open(trust.Config{
		Anchors:    []trust.AnchorFile{{File: l.GatewayTrust.Anchor, Practices: []string{"*"}}},
		Revocation: revocation.Config{CRLs: l.GatewayTrust.CRLs},
	})
	return c, err
}

func (c *crowd) close() {
	for _, l := range c.links {
		l.Close()
	}
	if c.ca != nil {
		_ = c.ca.Close()
	}
}

const crowdWorkers = 8 // sessions that begin at once

// begin joins n sessions, numbered from first.
func (c *crowd) begin(first, n int) error {
	next, failed := make(chan int), make(chan error, crowdWorkers)
	var workers sync.WaitGroup
	for range crowdWorkers {
		workers.Go(func() {
			for i := range next {
				if err := c.session(i); err != nil {
					failed <- fmt.Errorf("cannot begin session %d: %w", i, err)
					return
				}
			}
		})
	}
	var err error
	for i := first; i < first+n && err == nil; i++ {
		select {
		case next <- i:
		case err = <-failed:
		}
	}
	close(next)
	workers.Wait()
	if len(failed) > 0 {
		err = <-failed
	}
	return err
}

func (c *crowd) session(i int) error {
	practice := fmt.Sprintf("urn:tlagate:cab%d", i)
	pdt := practice + ":pdt:p"
	far, err := c.park(pdt)
	if err != nil {
		return err
	}
	near, err := c.open(practice+":tla:t", pdt, fmt.Sprintf("%032x", i+1))
	if err != nil {
		return err
	}
	if _, err := far.WaitJoined(); err != nil {
		return err
	}
	c.take(near)
	c.take(far)
	return nil
}

// take reads a link until it is over.
func (c *crowd) take(l *link.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.links = append(c.links, l)
	go func() {
		_, _ = io.Copy(counter{&c.got}, struct{ io.Reader }{l})
		c.lost.Add(1)
	}()
}

// counter counts what is written to it.
type counter struct{ n *atomic.Int64 }

// Write counts.
func (c counter) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return len(p), nil
}

// said is what each end says in talk, in octets: as much as in the handshake of a card session.
const said = 3000

// talk has both ends of each session say something, and waits until all of it has come.
func (c *crowd) talk() error {
	want := c.got.Load() + int64(len(c.links))*said
	for _, l := range c.links {
		if _, err := l.Write(make([]byte, said)); err != nil {
			return err
		}
	}
	return world.Poll(world.Patience, "what was said in all sessions", func() error {
		if left := want - c.got.Load(); left != 0 {
			return fmt.Errorf("%d octets have not come", left)
		}
		return nil
	})
}

func (c *crowd) park(pdt string) (*link.Conn, error) {
	client, err := c.issue("pdt-client", pdt)
	if err != nil {
		return nil, err
	}
	server, err := c.issue("pdt-server", pdt, "pdt.invalid")
	if err != nil {
		return nil, err
	}
	conn, err := c.dial(client)
	if err != nil {
		return nil, err
	}
	return link.Park(context.Background(), conn, server.Certificate, link.Config{})
}

func (c *crowd) open(tla, pdt, session string) (*link.Conn, error) {
	cert, err := c.issue("tla", tla)
	if err != nil {
		return nil, err
	}
	conn, err := c.dial(cert)
	if err != nil {
		return nil, err
	}
	return link.Open(context.Background(), conn, pdt, session, link.Config{Consent: consenttest.By(cert, pdt, session)})
}

func (c *crowd) issue(profile, urn string, dns ...string) (cert tls.Certificate, err error) {
	id, err := pki.ParseIdentity(urn)
	if err != nil {
		return cert, err
	}
	key, err := ca.GenerateKey(ca.P256)
	if err != nil {
		return cert, err
	}
	csr, err := ca.NewCSR(key)
	if err != nil {
		return cert, err
	}
	c.issuing.Lock() // rather than wait for each other at the CA, which looks only now and then
	issued, err := c.ca.Certificates.Issue(ca.Request{Profile: profile, Identity: id, DNS: dns, CSR: csr})
	c.issuing.Unlock()
	if err != nil {
		return cert, err
	}
	cert = tls.Certificate{PrivateKey: key, Leaf: issued.Certificate}
	blocks, err := pemfile.Read(issued.Chain, "CERTIFICATE")
	for _, b := range blocks {
		cert.Certificate = append(cert.Certificate, b.Bytes)
	}
	return cert, err
}

func (c *crowd) dial(cert tls.Certificate) (net.Conn, error) {
	raw, err := net.Dial("tcp", c.lab.GatewayAddr)
	if err != nil {
		return nil, err
	}
	party := &trust.Party{Trust: c.trust, Certificate: func() *tls.Certificate { return &cert }}
	conn, _, err := party.Client(context.Background(), raw, trust.ALPNOuter, trust.Want{
		Usage: x509.ExtKeyUsageServerAuth, Roles: []pki.Role{pki.RoleGateway}, DNSName: "localhost",
	})
	if err != nil {
		return nil, err
	}
	return conn, nil
}
