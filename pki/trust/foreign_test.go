package trust_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/pkitest"
	"tlagate/pki/pkitest/bed"
	"tlagate/pki/trust"
)

const siem = "siem.example"

// foreigner makes the certificate of a server of another PKI, which knows no identities of ours.
func foreigner(ca *pkitest.CA, opts ...pkitest.Option) tls.Certificate {
	return ca.Issue("", bed.AsServer, append([]pkitest.Option{pkitest.DNS(siem), pkitest.NoPolicy()}, opts...)...)
}

// meet performs a handshake of Foreign with a server, and returns what each side saw.
func meet(t *testing.T, party *trust.Party, server *tls.Config) (*trust.Peer, tls.ConnectionState, error) {
	near, far := bed.Pipe(t)
	seen := make(chan tls.ConnectionState, 1)
	go func() {
		c := tls.Server(near, server)
		_ = c.SetDeadline(time.Now().Add(bed.Patience))
		_ = c.Handshake()
		seen <- c.ConnectionState()
	}()
	conn, peer, err := party.Foreign(context.Background(), far, trust.Want{DNSName: siem})
	if err == nil {
		defer conn.Close()
	}
	return peer, <-seen, err
}

// TestSA2ForeignServer: a server without identity, policy and ALPN passes, and is shown our certificate if it asks.
func TestSA2ForeignServer(t *testing.T) {
	w := bed.New(t)
	w.Config.Profile = trust.Foreign
	party := &trust.Party{Trust: w.Open()}
	conf := &tls.Config{Certificates: []tls.Certificate{foreigner(w.Issuing)}}
	peer, seen, err := meet(t, party, conf)
	require.NoError(t, err)
	require.Equal(t, "TLS 1.3", peer.TLS.Version)
	require.Empty(t, seen.NegotiatedProtocol)
	require.Empty(t, seen.PeerCertificates)
	require.Equal(t, siem, seen.ServerName)
	require.NoError(t, party.Trust.Recheck(peer))

	ours := w.Issue("urn:tlagate:op:gateway:gw1", bed.AsClient)
	party.Certificate = func() *tls.Certificate { return &ours }
	conf.ClientAuth = tls.RequireAnyClientCert
	_, seen, err = meet(t, party, conf)
	require.NoError(t, err)
	require.Equal(t, ours.Leaf.Raw, seen.PeerCertificates[0].Raw)

	both := pkitest.EKU(x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth)
	_, _, err = meet(t, party, &tls.Config{Certificates: []tls.Certificate{foreigner(w.Root, both)}})
	require.NoError(t, err, "many a CA issues for both")
}

// TestSA2ForeignServerRefused: what else a peer of ours must be, a foreign server must be too.
func TestSA2ForeignServerRefused(t *testing.T) {
	w := bed.New(t)
	w.Config.Profile = trust.Foreign
	revoked := foreigner(w.Issuing)
	w.Issuing.Revoke(revoked.Leaf)
	w.WriteCRLs(w.Files)
	party := &trust.Party{Trust: w.Open()}
	other := pkitest.NewNamed(t, "elsewhere")
	for name, c := range map[string]struct {
		show tls.Certificate
		want pki.Reason
	}{
		"another name": {foreigner(w.Issuing, pkitest.DNS("siem.example.net")), pki.NameMismatch},
		"no name":      {w.Issuing.Issue("", bed.AsServer), pki.NameMismatch},
		"foreign CA":   {foreigner(other.Issuing), pki.UnknownIssuer},
		"self-signed":  {foreigner(w.Issuing, pkitest.SelfSigned()), pki.SelfSigned},
		"expired":      {foreigner(w.Issuing, pkitest.Expired()), pki.Expired},
		"not yet":      {foreigner(w.Issuing, pkitest.NotYetValid()), pki.NotYetValid},
		"revoked":      {revoked, pki.Revoked},
		"for clients":  {foreigner(w.Issuing, pkitest.EKU(bed.AsClient)), pki.ExtKeyUsage},
		"for anything": {foreigner(w.Issuing, pkitest.AnyEKU()), pki.AnyExtKeyUsage},
		"short RSA":    {foreigner(w.Issuing, pkitest.RSA(1024)), pki.WeakKey},
		"SHA-1":        {foreigner(w.Issuing, pkitest.SHA1(w.Issuing)), pki.WeakSignature},
		"CA's usage": {foreigner(w.Issuing, pkitest.KeyUsage(x509.KeyUsageDigitalSignature|x509.KeyUsageCertSign)),
			pki.KeyUsage},
		"critical": {foreigner(w.Issuing, pkitest.UnknownCritical()), pki.BadCertificate},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // a refused server has a second to read why
			_, _, err := meet(t, party, &tls.Config{Certificates: []tls.Certificate{c.show}})
			require.Equal(t, c.want, pki.ReasonOf(err), "%v", err)
		})
	}
}

// TestSA2ForeignServerOfTLS12: it learns that by an alert, as a server that has no TLS 1.3 finds nothing to choose.
func TestSA2ForeignServerOfTLS12(t *testing.T) {
	w := bed.New(t)
	w.Config.Profile = trust.Foreign
	conf := &tls.Config{Certificates: []tls.Certificate{foreigner(w.Issuing)}, MaxVersion: tls.VersionTLS12}
	_, _, err := meet(t, &trust.Party{Trust: w.Open()}, conf)
	require.ErrorContains(t, err, "does not speak TLS 1.3")
}

// TestSA2ForeignServerOfUnknownStatus: if lists are named, one must be at hand; if none are, revocation is not checked.
func TestSA2ForeignServerOfUnknownStatus(t *testing.T) {
	w := bed.New(t)
	w.Config.Profile = trust.Foreign
	w.Config.CRLs = []string{filepath.Join(t.TempDir(), "none.pem")}
	conf := &tls.Config{Certificates: []tls.Certificate{foreigner(w.Issuing)}}
	_, _, err := meet(t, &trust.Party{Trust: w.Open()}, conf)
	require.Equal(t, pki.CRLMissing, pki.ReasonOf(err), "%v", err)
	w.Config.CRLs, w.Config.NoRevocation = nil, true
	_, _, err = meet(t, &trust.Party{Trust: w.Open()}, conf)
	require.NoError(t, err)
	require.NoError(t, os.Remove(w.Files.CRL))
}
