package faults

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"sync"
	"time"
)

// InspectorName is the CA of an [Inspector].
const InspectorName = "Pare-feu Exemple CA"

// Inspector opens TLS as proxies and firewalls do that look into it: it answers in the target's place with a
// certificate of its own CA, and would speak to the target as a client without a certificate.
type Inspector struct {
	target   string
	copies   bool
	key      *ecdsa.PrivateKey
	ca       *x509.Certificate
	listener net.Listener
	all      sync.WaitGroup
}

// NewInspector listens on a free port in front of target (host:port). Its certificate has all names of the target's, as
// that of some boxes has, or the one name that the client asks for.
func NewInspector(target string, copies bool) (*Inspector, error) {
	i := &Inspector{target: target, copies: copies}
	if err := i.makeCA(); err != nil {
		return nil, fmt.Errorf("cannot make the CA of an inspector: %w", err)
	}
	var err error
	if i.listener, err = tls.Listen("tcp4", "127.0.0.1:0", &tls.Config{GetConfigForClient: i.forge}); err != nil {
		return nil, fmt.Errorf("cannot start an inspector for %s: %w", target, err)
	}
	i.all.Go(i.accept)
	return i, nil
}

// Addr returns the address to connect to instead of the target.
func (i *Inspector) Addr() string { return i.listener.Addr().String() }

// Close stops it and waits until all is gone.
func (i *Inspector) Close() {
	_ = i.listener.Close()
	i.all.Wait()
}

func (i *Inspector) makeCA() (err error) {
	if i.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return err
	}
	der, err := i.sign(&x509.Certificate{Subject: pkix.Name{CommonName: InspectorName}, IsCA: true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign}, nil)
	if err != nil {
		return err
	}
	i.ca, err = x509.ParseCertificate(der)
	return err
}

// sign makes a certificate for the only key there is; issuer nil = self-signed.
func (i *Inspector) sign(c, issuer *x509.Certificate) ([]byte, error) {
	c.SerialNumber = big.NewInt(time.Now().UnixNano())
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	if issuer == nil {
		issuer = c
	}
	return x509.CreateCertificate(rand.Reader, c, issuer, i.key.Public(), i.key)
}

// forge returns a configuration whose certificate looks like the target's.
func (i *Inspector) forge(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	c := &x509.Certificate{Subject: pkix.Name{CommonName: hello.ServerName}, DNSNames: []string{hello.ServerName},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	if i.copies {
		real, err := i.look(hello.Context(), hello.ServerName)
		if err != nil {
			return nil, err
		}
		c.Subject, c.DNSNames, c.URIs = real.Subject, real.DNSNames, real.URIs
	}
	der, err := i.sign(c, i.ca)
	if err != nil {
		return nil, err
	}
	return &tls.Config{NextProtos: []string{"http/1.1"},
		Certificates: []tls.Certificate{{Certificate: [][]byte{der, i.ca.Raw}, PrivateKey: i.key}}}, nil
}

// look returns the target's certificate.
func (i *Inspector) look(ctx context.Context, name string) (real *x509.Certificate, err error) {
	conf := &tls.Config{ServerName: name, NextProtos: []string{"http/1.1"}, InsecureSkipVerify: true,
		VerifyConnection: func(cs tls.ConnectionState) error { real = cs.PeerCertificates[0]; return nil }}
	conn, err := (&tls.Dialer{Config: conf}).DialContext(ctx, "tcp", i.target)
	if err != nil {
		return nil, err
	}
	return real, conn.Close()
}

func (i *Inspector) accept() {
	for {
		c, err := i.listener.Accept()
		if err != nil {
			return
		}
		i.all.Go(func() {
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(time.Minute))
			_, _ = io.Copy(io.Discard, c) // a client that has seen the certificate says nothing
		})
	}
}
