package trust_test

import (
	"context"
	"crypto/tls"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/pkitest"
	"tlagate/pki/pkitest/bed"
	"tlagate/pki/trust"
)

const ca1 = "urn:tlagate:op:pki:ca1"

// enrolment is a server of the PKI, and a client that has its root and ARL in memory, and nothing else.
type enrolment struct {
	*bed.World
	trust  *trust.Trust
	server tls.Certificate
	want   trust.Want
}

func newEnrolment(t *testing.T, opts ...pkitest.OCSPOption) *enrolment {
	w := bed.New(t)
	e := &enrolment{World: w, server: w.Issue(ca1, bed.AsServer, pkitest.DNS("pki.example"))}
	e.server.OCSPStaple = w.Issuing.OCSP(e.server.Leaf, append([]pkitest.OCSPOption{pkitest.OCSPByCA()}, opts...)...)
	e.want = trust.Want{Usage: bed.AsServer, Roles: []pki.Role{pki.RolePKI}, SNI: "enrol.example"}
	var err error
	e.trust, err = trust.Open(trust.Config{Known: []trust.Anchor{{Cert: w.Root.Cert, Practices: []string{"*"}}}})
	require.NoError(t, err)
	require.NoError(t, e.trust.AddARL(w.Root.CRL()))
	return e
}

// serve runs the server's side, which judges nothing, and returns the client's connection and what the server saw.
func (e *enrolment) serve(t *testing.T) (net.Conn, <-chan tls.ConnectionState) {
	near, far := bed.Pipe(t)
	seen := make(chan tls.ConnectionState, 1)
	conf := bed.Stranger(e.server)
	conf.ClientAuth = tls.RequestClientCert
	go func() {
		c := tls.Server(near, conf)
		_ = c.SetDeadline(time.Now().Add(bed.Patience))
		if c.Handshake() == nil {
			seen <- c.ConnectionState()
		}
		close(seen)
	}()
	return far, seen
}

func (e *enrolment) connect(t *testing.T) (tls.ConnectionState, error) {
	far, seen := e.serve(t)
	_, _, err := (&trust.Party{Trust: e.trust}).Anonymous(context.Background(), far, trust.ALPNCard, e.want)
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
		{"another role", func(e *enrolment) { e.server = e.Issue(bed.PdT1, bed.AsServer) }, pki.WrongRole},
		{"another name", func(e *enrolment) { e.want.DNSName = "other.example" }, pki.NameMismatch},
		{"another root", func(e *enrolment) { e.server = pkitest.New(e.T).Issue(ca1, bed.AsServer) },
			pki.UnknownIssuer},
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
	_, _, err := e.Party(e.trust, bed.TLA1, bed.AsClient).Anonymous(context.Background(), far, trust.ALPNCard, e.want)
	require.ErrorContains(t, err, "has a certificate")
	far, _ = e.serve(t)
	_, _, err = (&trust.Party{Trust: e.trust}).Client(context.Background(), far, trust.ALPNCard, e.want)
	require.Equal(t, pki.HandshakeFailed, pki.ReasonOf(err))
}

func TestUnprovenProvesNothing(t *testing.T) {
	e := newEnrolment(t)
	e.server = pkitest.New(t).Issue(bed.PdT1, bed.AsServer, pkitest.Expired())
	far, seen := e.serve(t)
	c, err := new(trust.Party).Unproven(context.Background(), far, trust.ALPNCard, trust.Want{SNI: "enrol.example"})
	require.NoError(t, err)
	defer c.Close()
	saw := <-seen
	require.Empty(t, saw.PeerCertificates)
	require.Equal(t, "enrol.example", saw.ServerName)
	far, _ = e.serve(t)
	_, err = new(trust.Party).Unproven(context.Background(), far, "another/1", trust.Want{})
	require.Error(t, err)
}

// Everything but revocation is judged of a certificate that was issued just now.
func TestVerifyIssued(t *testing.T) {
	e := newEnrolment(t)
	want := trust.Want{Usage: bed.AsClient, Roles: []pki.Role{pki.RoleTLA}}
	chain := pkitest.Chain(e.Issue(bed.TLA1, bed.AsClient))
	_, err := e.trust.Verify(chain, want)
	require.Equal(t, pki.CRLMissing, pki.ReasonOf(err))
	v, err := e.trust.VerifyIssued(chain, want)
	require.NoError(t, err)
	require.Equal(t, bed.TLA1, v.Identity.String())
	_, err = e.trust.VerifyIssued(pkitest.Chain(e.Issue(bed.PdT1, bed.AsClient)), want)
	require.Equal(t, pki.WrongRole, pki.ReasonOf(err))
}
