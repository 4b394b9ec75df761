package pki_test

import (
	"context"
	"crypto/tls"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/pkitest"
)

const ca1 = "urn:tlagate:op:pki:ca1"

// enrolment is a server of the PKI, and a client that has its root and ARL in memory, and nothing else.
type enrolment struct {
	*world
	trust  *pki.Trust
	server tls.Certificate
	want   pki.Want
}

func newEnrolment(t *testing.T, opts ...pkitest.OCSPOption) *enrolment {
	w := newWorld(t)
	e := &enrolment{world: w, server: w.Issue(ca1, asServer, pkitest.DNS("pki.example"))}
	e.server.OCSPStaple = w.Issuing.OCSP(e.server.Leaf, append([]pkitest.OCSPOption{pkitest.OCSPByCA()}, opts...)...)
	e.want = pki.Want{Usage: asServer, Roles: []pki.Role{pki.RolePKI}, SNI: "enrol.example"}
	var err error
	e.trust, err = pki.OpenTrust(pki.TrustConfig{Known: []pki.Anchor{{Cert: w.Root.Cert, Practices: []string{"*"}}}})
	require.NoError(t, err)
	require.NoError(t, e.trust.AddARL(w.Root.CRL()))
	return e
}

// serve runs the server's side with whatever TLS it likes, and tells what it saw.
func (e *enrolment) serve(t *testing.T) (net.Conn, <-chan tls.ConnectionState) {
	near, far := pipe(t)
	seen := make(chan tls.ConnectionState, 1)
	conf := stranger(e.server)
	conf.ClientAuth = tls.RequestClientCert
	go func() {
		c := tls.Server(near, conf)
		_ = c.SetDeadline(time.Now().Add(patience))
		if c.Handshake() == nil {
			seen <- c.ConnectionState()
		}
		close(seen)
	}()
	return far, seen
}

func (e *enrolment) connect(t *testing.T) (tls.ConnectionState, error) {
	far, seen := e.serve(t)
	_, _, err := (&pki.Party{Trust: e.trust}).Anonymous(context.Background(), far, pki.ALPNCard, e.want)
	return <-seen, err
}

// The answer that the issuing CA itself signed and the server stapled, and the ARL, are enough.
func TestC2AnonymousClientProvesTheServer(t *testing.T) {
	e := newEnrolment(t)
	saw, err := e.connect(t)
	require.NoError(t, err)
	require.Empty(t, saw.PeerCertificates)
	require.Equal(t, "enrol.example", saw.ServerName)
}

func TestC2AnonymousClientRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*enrolment)
		want   pki.Reason
	}{
		{"no staple", func(e *enrolment) { e.server.OCSPStaple = nil }, pki.CRLMissing},
		{"stale staple", func(e *enrolment) {
			e.server.OCSPStaple = e.Issuing.OCSP(e.server.Leaf, pkitest.OCSPByCA(), pkitest.OCSPStale())
		}, pki.OCSPStale},
		{"revoked", func(e *enrolment) {
			e.server.OCSPStaple = e.Issuing.OCSP(e.server.Leaf, pkitest.OCSPByCA(), pkitest.OCSPStatus("revoked"))
		}, pki.Revoked},
		{"another role", func(e *enrolment) { e.server = e.Issue(pdt1, asServer) }, pki.WrongRole},
		{"another name", func(e *enrolment) { e.want.DNSName = "other.example" }, pki.NameMismatch},
		{"another root", func(e *enrolment) { e.server = pkitest.New(e.t).Issue(ca1, asServer) }, pki.UnknownIssuer},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newEnrolment(t)
			c.change(e)
			_, err := e.connect(t)
			require.Equal(t, c.want, pki.ReasonOf(err), "%v", err)
		})
	}
}

func TestC2NobodyIsAnonymousByMistake(t *testing.T) {
	e := newEnrolment(t)
	far, _ := e.serve(t)
	_, _, err := e.party(e.trust, tla1, asClient).Anonymous(context.Background(), far, pki.ALPNCard, e.want)
	require.ErrorContains(t, err, "has a certificate")
	far, _ = e.serve(t)
	_, _, err = (&pki.Party{Trust: e.trust}).Client(context.Background(), far, pki.ALPNCard, e.want)
	require.Equal(t, pki.HandshakeFailed, pki.ReasonOf(err))
}

func TestUnprovenProvesNothing(t *testing.T) {
	e := newEnrolment(t)
	e.server = pkitest.New(t).Issue(pdt1, asServer, pkitest.Expired())
	far, seen := e.serve(t)
	c, err := new(pki.Party).Unproven(context.Background(), far, pki.ALPNCard, pki.Want{SNI: "enrol.example"})
	require.NoError(t, err)
	defer c.Close()
	saw := <-seen
	require.Empty(t, saw.PeerCertificates)
	require.Equal(t, "enrol.example", saw.ServerName)
	far, _ = e.serve(t)
	_, err = new(pki.Party).Unproven(context.Background(), far, "another/1", pki.Want{})
	require.Error(t, err)
}

// What was issued just now is judged in all but revocation.
func TestVerifyIssued(t *testing.T) {
	e := newEnrolment(t)
	want := pki.Want{Usage: asClient, Roles: []pki.Role{pki.RoleTLA}}
	chain := pkitest.Chain(e.Issue(tla1, asClient))
	_, err := e.trust.Verify(chain, want)
	require.Equal(t, pki.CRLMissing, pki.ReasonOf(err))
	v, err := e.trust.VerifyIssued(chain, want)
	require.NoError(t, err)
	require.Equal(t, tla1, v.Identity.String())
	_, err = e.trust.VerifyIssued(pkitest.Chain(e.Issue(pdt1, asClient)), want)
	require.Equal(t, pki.WrongRole, pki.ReasonOf(err))
}
