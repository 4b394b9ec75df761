package crowd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"tlagate/ca"
	"tlagate/ca/store"
	"tlagate/integration/lab"
	"tlagate/integration/world"
	"tlagate/session/consent/consenttest"
	"tlagate/session/link"
)

// Pair is a TLA and a PdT of a practice of their own. One goroutine at a time calls its methods.
type Pair struct {
	crowd  *Crowd
	number int
	opened int // sessions so far

	tla, client, server tls.Certificate

	near, far *link.Conn    // of the last session
	over      chan struct{} // closed when both are; nil before the first session
}

func (p *Pair) practice() string { return fmt.Sprintf("urn:tlagate:cab%d", p.number) }

// Renew gives both new certificates, for the sessions that begin from now on.
func (p *Pair) Renew() (err error) {
	for _, c := range []struct {
		cert         *tls.Certificate
		profile, urn string
		dns          []string
	}{
		{&p.tla, "tla", p.practice() + ":tla:t", nil},
		{&p.client, "pdt-client", p.practice() + ":pdt:p", nil},
		{&p.server, "pdt-server", p.practice() + ":pdt:p", []string{"pdt.invalid"}},
	} {
		if *c.cert, err = p.crowd.Issue(c.profile, c.urn, c.dns...); err != nil {
			return err
		}
	}
	return nil
}

// Begin opens a session, which is read until it is over. It tries again, as programs do: a busy machine may take longer
// than the gateway waits, and the gateway may still be about to forget the session before.
func (p *Pair) Begin() (err error) {
	for end := time.Now().Add(world.Patience); time.Now().Before(end); {
		if err = p.begin(); err == nil {
			p.read()
			return nil
		}
	}
	return err
}

func (p *Pair) begin() (err error) {
	if p.far, err = p.park(); err != nil {
		return err
	}
	if p.near, err = p.open(); err == nil {
		_, err = p.far.WaitJoined()
	}
	if err != nil {
		p.close()
	}
	return err
}

// read reads both ends until the session is over.
func (p *Pair) read() {
	p.over = make(chan struct{})
	var ends sync.WaitGroup
	for _, l := range []*link.Conn{p.near, p.far} {
		ends.Go(func() {
			p.crowd.read(l)
			_ = l.Close()
		})
	}
	go func(over chan struct{}) { ends.Wait(); close(over) }(p.over)
}

// End ends the session as a terminal does.
func (p *Pair) End() error {
	_ = p.near.Close()
	return p.awaitEnd()
}

// Revoke revokes the terminal's certificate, publishes the list, and waits until the gateway has cut the session.
func (p *Pair) Revoke() error {
	_, err := p.crowd.ca.Revocations.Revoke(ca.Selection{Certificate: p.tla.Leaf}, store.KeyCompromise)
	if err == nil {
		_, err = p.crowd.ca.Lists.PublishCRL()
	}
	if err != nil {
		return err
	}
	return p.awaitEnd()
}

// awaitEnd waits until the session is over at both ends.
func (p *Pair) awaitEnd() error {
	select {
	case <-p.over:
		return nil
	case <-time.After(world.Patience):
		return errors.New("the session of " + p.practice() + " does not end")
	}
}

func (p *Pair) isOver() bool {
	select {
	case <-p.over:
		return true
	default:
		return false
	}
}

func (p *Pair) close() {
	for _, l := range []*link.Conn{p.near, p.far} {
		if l != nil {
			_ = l.Close()
		}
	}
}

func (p *Pair) park() (*link.Conn, error) {
	conn, err := p.crowd.Dial(p.client)
	if err != nil {
		return nil, err
	}
	return link.Park(context.Background(), conn, p.server.Certificate, link.Config{Heartbeat: p.crowd.Heartbeat})
}

func (p *Pair) open() (*link.Conn, error) {
	conn, err := p.crowd.Dial(p.tla)
	if err != nil {
		return nil, err
	}
	p.opened++
	pdt, session := p.practice()+":pdt:p", fmt.Sprintf("%016x%016x", p.number+1, p.opened)
	return link.Open(context.Background(), conn, pdt, session,
		link.Config{Heartbeat: p.crowd.Heartbeat, Consent: consenttest.By(p.tla, pdt, session)})
}

// WriteKeys puts a certificate with its chain, and its key, into the files of a program.
func WriteKeys(cert tls.Certificate, to lab.Keys) error {
	der, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		return err
	}
	var chain []byte
	for _, c := range cert.Certificate {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c})...)
	}
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return errors.Join(os.WriteFile(to.Key, key, 0o600), os.WriteFile(to.Cert, chain, 0o600))
}
