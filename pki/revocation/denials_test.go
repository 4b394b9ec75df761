package revocation_test

import (
	"crypto/x509"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/pkitest"
	"tlagate/pki/revocation"
	"tlagate/pki/trust"
)

// denyBed makes a PKI with good lists, a trust store, and a terminal's certificate.
func denyBed(t *testing.T) (*pkitest.PKI, *trust.Trust, []*x509.Certificate) {
	p := pkitest.New(t)
	files := p.WriteTrust(t.TempDir())
	trust, err := trust.Open(trust.Config{
		Anchors:    []trust.AnchorFile{{File: files.Anchor, Practices: []string{"*"}}},
		Revocation: revocation.Config{CRLs: files.CRLs()},
	})
	require.NoError(t, err)
	return p, trust, pkitest.Chain(p.Issue("urn:tlagate:cab1:tla:t1", x509.ExtKeyUsageClientAuth))
}

func reasonFor(t *trust.Trust, chain []*x509.Certificate) pki.Reason {
	_, err := t.Verify(chain, trust.Want{Usage: x509.ExtKeyUsageClientAuth})
	return pki.ReasonOf(err)
}

func TestC2Denials(t *testing.T) {
	p, store, chain := denyBed(t)
	other := pkitest.Chain(p.Issue("urn:tlagate:cab1:tla:t2", x509.ExtKeyUsageClientAuth))
	verdict, err := store.Verify(chain, trust.Want{Usage: x509.ExtKeyUsageClientAuth})
	require.NoError(t, err)
	leaf := revocation.Denied{IssuerKeyID: p.Issuing.Cert.SubjectKeyId, Serial: chain[0].SerialNumber, Reason: 6,
		At: time.Now()}

	t.Run("C2 revoked leaf, told directly", func(t *testing.T) {
		changed, denials := store.Changed(), store.Denials()
		require.False(t, store.Denies(verdict.Path))
		store.Deny(leaf)
		<-changed
		<-denials
		require.True(t, store.Denies(verdict.Path))
		require.Equal(t, pki.Revoked, reasonFor(store, chain))
		require.Empty(t, reasonFor(store, other))
	})
	t.Run("the same again wakes nobody", func(t *testing.T) {
		changed := store.Changed()
		store.Deny(leaf)
		select {
		case <-changed:
			t.Fatal("woken for nothing")
		default:
		}
	})
	t.Run("the serial of another CA", func(t *testing.T) {
		store.Deny(revocation.Denied{IssuerKeyID: p.Root.Cert.SubjectKeyId, Serial: other[0].SerialNumber})
		require.Empty(t, reasonFor(store, other))
	})
	t.Run("released", func(t *testing.T) {
		changed := store.Changed()
		store.Allow(leaf.IssuerKeyID, leaf.Serial)
		<-changed
		require.Empty(t, reasonFor(store, chain))
		require.False(t, store.Denies(verdict.Path))
	})
	t.Run("C2 revoked CA, told directly", func(t *testing.T) {
		store.Deny(revocation.Denied{IssuerKeyID: p.Root.Cert.SubjectKeyId, Serial: p.Issuing.Cert.SerialNumber,
			Reason: 2})
		require.True(t, store.Denies(verdict.Path))
		require.Equal(t, pki.CARevoked, reasonFor(store, chain))
		require.Equal(t, pki.CARevoked, reasonFor(store, other))
	})
	t.Run("no serial", func(t *testing.T) {
		store.Deny(revocation.Denied{})
	})
}

// A release ends only the denial: a certificate on a CRL stays refused.
func TestC2AllowDoesNotOverruleACRL(t *testing.T) {
	p := pkitest.New(t)
	chain := pkitest.Chain(p.Issue("urn:tlagate:cab1:tla:t1", x509.ExtKeyUsageClientAuth))
	p.Issuing.Revoke(chain[0])
	files := p.WriteTrust(t.TempDir())
	trust, err := trust.Open(trust.Config{
		Anchors:    []trust.AnchorFile{{File: files.Anchor, Practices: []string{"*"}}},
		Revocation: revocation.Config{CRLs: files.CRLs()},
	})
	require.NoError(t, err)
	trust.Deny(revocation.Denied{IssuerKeyID: p.Issuing.Cert.SubjectKeyId, Serial: chain[0].SerialNumber})
	trust.Allow(p.Issuing.Cert.SubjectKeyId, chain[0].SerialNumber)
	require.Equal(t, pki.Revoked, reasonFor(trust, chain))
}

// The deny list forgets a certificate that is on a CRL by now, which stays refused; one on no CRL stays on the list.
func TestC2DenialsDoNotPileUp(t *testing.T) {
	p := pkitest.New(t)
	listed, unlisted := pkitest.Chain(p.Issue("urn:tlagate:cab1:tla:t1", x509.ExtKeyUsageClientAuth)),
		pkitest.Chain(p.Issue("urn:tlagate:cab1:tla:t2", x509.ExtKeyUsageClientAuth))
	files := p.WriteTrust(t.TempDir())
	trust, err := trust.Open(trust.Config{
		Anchors:       []trust.AnchorFile{{File: files.Anchor, Practices: []string{"*"}}},
		Intermediates: []string{files.Intermediate},
		Revocation:    revocation.Config{CRLs: files.CRLs()},
	})
	require.NoError(t, err)
	path := func(chain []*x509.Certificate) []*x509.Certificate {
		return []*x509.Certificate{chain[0], p.Issuing.Cert, p.Root.Cert}
	}
	require.Empty(t, reasonFor(trust, listed))
	for _, c := range [][]*x509.Certificate{listed, unlisted} {
		trust.Deny(revocation.Denied{IssuerKeyID: p.Issuing.Cert.SubjectKeyId, Serial: c[0].SerialNumber, Reason: 1})
	}
	p.Issuing.Revoke(listed[0])
	for _, bad := range []pkitest.CRLOption{pkitest.CRLStale(), pkitest.CRLBadSignature(), pkitest.CRLFuture()} {
		pkitest.WriteCRL(t, files.CRL, p.Issuing.CRL(bad))
		trust.Reload()
		require.True(t, trust.Denies(path(listed)), "a bad list is no reason to forget")
	}
	p.WriteCRLs(files)
	trust.Reload()
	require.False(t, trust.Denies(path(listed)))
	require.True(t, trust.Denies(path(unlisted)))
	require.Equal(t, pki.Revoked, reasonFor(trust, listed))
	require.Equal(t, pki.Revoked, reasonFor(trust, unlisted))
}
