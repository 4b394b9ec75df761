// Package crowd is many peers of one gateway, all in this process: sessions, each with a TLA, a PdT and a practice of
// its own, whose both ends are read as programs do; and strangers who connect and say nothing. It works in a world
// only.
package crowd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"tlagate/ca"
	"tlagate/integration/lab"
	"tlagate/integration/world"
	"tlagate/pemfile"
	"tlagate/pki"
	"tlagate/pki/revocation"
	"tlagate/pki/trust"
	"tlagate/session/link"
)

// Crowd is sessions of the gateway of a lab, with certificates of its CA.
type Crowd struct {
	Heartbeat time.Duration // of both ends of sessions; 0 = that of programs

	ca    *ca.CA
	lab   *lab.Lab
	trust *trust.Trust

	issuing sync.Mutex // held while a certificate is made

	mu    sync.Mutex // protects pairs
	pairs []*Pair
	got   atomic.Int64 // octets that came on all links
}

// New returns a crowd that nobody is in yet.
func New(l *lab.Lab) (*Crowd, error) {
	c := &Crowd{lab: l}
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

// Close ends all sessions.
func (c *Crowd) Close() error {
	for _, p := range c.Pairs() {
		p.close()
	}
	return c.ca.Close()
}

// Pairs returns everybody.
func (c *Crowd) Pairs() []*Pair {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]*Pair(nil), c.pairs...)
}

const workers = 8 // sessions that begin at once

// Begin has n more pairs, numbered from first, begin a session each.
func (c *Crowd) Begin(first, n int) error {
	next, failed := make(chan int), make(chan error, workers)
	var running sync.WaitGroup
	for range workers {
		running.Go(func() {
			for i := range next {
				if err := c.add(i); err != nil {
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
	running.Wait()
	if len(failed) > 0 {
		err = <-failed
	}
	return err
}

func (c *Crowd) add(i int) error {
	p := &Pair{crowd: c, number: i}
	if err := p.Renew(); err != nil {
		return err
	}
	c.mu.Lock()
	c.pairs = append(c.pairs, p)
	c.mu.Unlock()
	return p.Begin()
}

// Lost returns how many sessions are over.
func (c *Crowd) Lost() (n int) {
	for _, p := range c.Pairs() {
		if p.isOver() {
			n++
		}
	}
	return n
}

// counter counts what is written to it.
type counter struct{ n *atomic.Int64 }

// Write counts.
func (c counter) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return len(p), nil
}

// said is what each end says in Talk, in octets: as much as in the handshake of a card session.
const said = 3000

// Talk has both ends of each session say something, and waits until all of it has come.
func (c *Crowd) Talk() error {
	all := c.Pairs()
	want := c.got.Load() + int64(2*len(all))*said
	for _, p := range all {
		for _, l := range []*link.Conn{p.near, p.far} {
			if _, err := l.Write(make([]byte, said)); err != nil {
				return err
			}
		}
	}
	return world.Poll(world.Patience, "what was said in all sessions", func() error {
		if left := want - c.got.Load(); left != 0 {
			return fmt.Errorf("%d octets have not come", left)
		}
		return nil
	})
}

// Issue makes a key and a certificate of the lab's CA for an identity.
func (c *Crowd) Issue(profile, urn string, dns ...string) (cert tls.Certificate, err error) {
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

// Dial connects to the gateway with a certificate.
func (c *Crowd) Dial(cert tls.Certificate) (net.Conn, error) {
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

// read reads a link until it is over.
func (c *Crowd) read(l *link.Conn) { _, _ = io.Copy(counter{&c.got}, struct{ io.Reader }{l}) }
