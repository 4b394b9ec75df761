package trust_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/pkitest"
	"tlagate/pki/pkitest/bed"
	"tlagate/pki/trust"
)

// Recheck is what cuts live sessions: it must notice everything that time and new lists change.
func TestC2Recheck(t *testing.T) {
	open := func(t *testing.T) (*bed.World, *bed.Clock, *trust.Trust, *trust.Peer, tls.Certificate) {
		w, c := bed.New(t), &bed.Clock{}
		w.Config.Clock, w.Config.Poll = c.Now, time.Millisecond
		store := w.Open()
		cert := w.Issue(bed.TLA1, bed.AsClient)
		got, _ := bed.Serve(t, w.Party(store, bed.PdT1, bed.AsServer), trust.Want{Usage: bed.AsClient},
			bed.Stranger(cert))
		require.NoError(t, got.Err)
		require.NoError(t, store.Recheck(got.Peer))
		return w, c, store, got.Peer, cert
	}
	t.Run("C2 revoked", func(t *testing.T) {
		w, _, trust, peer, cert := open(t)
		changed := trust.Changed()
		w.Issuing.Revoke(cert.Leaf)
		w.WriteCRLs(w.Files)
		trust.Reload()
		<-changed
		require.Equal(t, pki.Revoked, pki.ReasonOf(trust.Recheck(peer)))
	})
	t.Run("C2 CRL gone stale by time alone", func(t *testing.T) {
		_, c, trust, peer, _ := open(t)
		bed.Running(t, trust)
		changed := trust.Changed()
		c.Forward(27 * time.Hour)
		select {
		case <-changed:
		case <-time.After(bed.Patience):
			require.Fail(t, "the change was not announced")
		}
		require.Equal(t, pki.CRLStale, pki.ReasonOf(trust.Recheck(peer)))
	})
	t.Run("C2 expired", func(t *testing.T) {
		_, c, trust, peer, _ := open(t)
		c.Forward(time.Until(peer.NotAfter) + time.Second)
		require.Equal(t, pki.Expired, pki.ReasonOf(trust.Recheck(peer)))
	})
}

func TestOpenTrustErrors(t *testing.T) {
	for name, spoil := range map[string]func(w *bed.World){
		"no anchor":         func(w *bed.World) { w.Config.Anchors = nil },
		"anchor missing":    func(w *bed.World) { w.Config.Anchors[0].File += "x" },
		"anchor unreadable": func(w *bed.World) { w.Config.Anchors[0].File = w.Files.CRL },
		"anchor is no CA": func(w *bed.World) {
			pkitest.WriteCertificates(w.T, w.Files.Anchor, w.Issue(bed.TLA1, bed.AsClient).Leaf)
		},
		"intermediate": func(w *bed.World) { w.Config.Intermediates = []string{"nowhere.pem"} },
		"test CA":      func(w *bed.World) { w.Config.Production = true },
	} {
		t.Run(name, func(t *testing.T) {
			w := bed.New(t)
			spoil(w)
			_, err := trust.Open(w.Config)
			require.Error(t, err)
		})
	}
}

func TestConfiguredIntermediateCompletesTheChain(t *testing.T) {
	w := bed.New(t)
	w.Config.Intermediates = []string{w.Files.Intermediate}
	trust := w.Open()
	require.NoError(t, bed.Verify(trust, leafOnly(w, bed.AsClient)))
	require.NoError(t, bed.Verify(trust, w.Issue(bed.TLA1, bed.AsClient)))
	require.Equal(t, w.Root.Cert.Raw, trust.Anchors()[0].Cert.Raw)
}

// Many CAs of one name must not make verification explode, nor hide the good path.
func TestC2ManyCandidateIssuers(t *testing.T) {
	w := bed.New(t)
	cert := w.Issue(bed.TLA1, bed.AsClient, pkitest.Valid(-time.Hour, time.Hour))
	for range 8 {
		fake := pkitest.New(t).Issuing.Cert
		cert.Certificate = append(cert.Certificate, fake.Raw)
	}
	require.NoError(t, bed.Verify(w.Open(), cert))
}

func TestVerdictShowsEveryCheck(t *testing.T) {
	w := bed.New(t)
	v, err := w.Open().Verify(pkitest.Chain(w.Issue(bed.TLA1, bed.AsClient)), trust.Want{Usage: bed.AsClient})
	require.NoError(t, err)
	var names []string
	for _, c := range v.Checks {
		names = append(names, c.Name)
		require.NoError(t, c.Err)
		require.NotEmpty(t, c.Detail, c.Name)
	}
	require.Equal(t, []string{"path", "format", "algorithms", "signatures", "dates", "test CA", "basic constraints",
		"key usage", "extended key usage", "extensions", "policy", "identity", "name space", "role", "peer", "practice",
		"DNS name",
		"X.509", "revocation"}, names)
	require.Len(t, v.Path, 3)
	require.Equal(t, w.Files.CRL, v.Revocation[0].Source)
	require.Equal(t, w.Files.ARL, v.Revocation[1].Source)
}

// smartcardLogon beside clientAuth is tolerated in a person's certificate, nowhere else.
func TestC2SmartcardLogon(t *testing.T) {
	w := bed.New(t)
	trust := w.Open()
	logon := pkitest.Template(func(c *x509.Certificate) {
		c.UnknownExtKeyUsage = []asn1.ObjectIdentifier{{1, 3, 6, 1, 4, 1, 311, 20, 2, 2}}
	})
	other := pkitest.Template(func(c *x509.Certificate) {
		c.UnknownExtKeyUsage = append(c.UnknownExtKeyUsage, asn1.ObjectIdentifier{2, 999, 5})
	})
	admin := "urn:tlagate:cab1:admin:eve"
	require.NoError(t, bed.Verify(trust, w.Issue(admin, bed.AsClient, logon)))
	for name, peer := range map[string]tls.Certificate{
		"a component": w.Issue(bed.TLA1, bed.AsClient, logon), "a server": w.Issue(admin, bed.AsServer, logon),
		"another usage too": w.Issue(admin, bed.AsClient, logon, other),
	} {
		require.Equal(t, pki.ExtKeyUsage, pki.ReasonOf(bed.Verify(trust, peer)), name)
	}
}
