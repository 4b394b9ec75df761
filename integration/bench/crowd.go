package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"

	"tlagate/ca"
	"tlagate/integration/lab"
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

	mu    sync.Mutex // protects links
	links []*link.Conn
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

// begin joins n sessions, numbered from first, and has each carry something.
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
	if err := talk(near, far); err != nil {
		return err
	}
	for _, l := range []*link.Conn{near, far} {
		go func() {
			_, _ = io.Copy(io.Discard, struct{ io.Reader }{l})
			c.lost.Add(1)
		}()
	}
	return nil
}

// talk sends as much both ways as the handshake of a card session, and a few commands.
func talk(ends ...*link.Conn) error {
	sent, got := bytes.Repeat([]byte{7}, 3000), make([]byte, 3000)
	for i, from := range ends {
		if _, err := from.Write(sent); err != nil {
			return err
		}
		if _, err := io.ReadFull(ends[1-i], got); err != nil {
			return err
		}
	}
	return nil
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
	return c.keep(link.Park(context.Background(), conn, server.Certificate, link.Config{}))
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
	return c.keep(link.Open(context.Background(), conn, pdt, session,
		link.Config{Consent: consenttest.By(cert, pdt, session)}))
}

func (c *crowd) keep(l *link.Conn, err error) (*link.Conn, error) {
	if err == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.links = append(c.links, l)
	}
	return l, err
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
	issued, err := c.ca.Certificates.Issue(ca.Request{Profile: profile, Identity: id, DNS: dns, CSR: csr})
	if err != nil {
		return cert, err
	}
	cert = tls.Certificate{PrivateKey: key, Leaf: issued.Certificate}
	for block, rest := pem.Decode(issued.Chain); block != nil; block, rest = pem.Decode(rest) {
		cert.Certificate = append(cert.Certificate, block.Bytes)
	}
	return cert, nil
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
