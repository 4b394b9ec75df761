package integration

import (
	"crypto/x509"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/integration/lab"
	"tlagate/integration/world"
	"tlagate/pki"
	"tlagate/pki/pkitest"
)

// liveCut is something that happens to one program's revocation data during a session, and what the TLA's user learns.
type liveCut struct {
	name   string
	at     string // the program that learns of it: gateway, pdt or relay; the others have good lists
	happen func(t *testing.T, b *bed, f pkitest.Files)

	code, reason string     // of the session's end at the relay
	detail       []string   // and in its words
	log          []string   // in a line of the program's log
	why          pki.Reason // of the cut
}

var liveCuts = []liveCut{
	{"TLA revoked at the gateway", "gateway", revoke(func(b *bed) lab.Keys { return b.TLAKeys }),
		"notice", "revoked", []string{lab.TLA, "revoked"}, []string{"link cut", "peer=" + lab.TLA}, pki.Revoked},
	{"PdT's client certificate revoked at the gateway", "gateway", revoke(func(b *bed) lab.Keys {
		return b.ClientKeys
	}),
		"notice", "revoked", []string{lab.PdT, "revoked"}, []string{"link cut", "peer=" + lab.PdT}, pki.Revoked},
	{"PdT's server certificate revoked at the gateway", "gateway", revoke(func(b *bed) lab.Keys {
		return b.ServerKeys
	}),
		"notice", "revoked", []string{lab.PdT, "revoked"}, []string{"link cut", "peer=" + lab.PdT}, pki.Revoked},
	{"issuing CA revoked at the gateway", "gateway", func(t *testing.T, b *bed, f pkitest.Files) {
		b.ca.Root.Revoke(b.ca.Issuing.Cert)
		pkitest.WriteCRL(t, f.ARL, b.ca.Root.CRL())
	}, "notice", "revoked", []string{"ca_revoked"}, []string{"link cut"}, pki.CARevoked},
	{"list goes stale at the gateway", "gateway", goStale, "notice", "revoked", []string{"crl_stale"},
		[]string{"link cut"}, pki.CRLStale},

	{"TLA revoked at the PdT", "pdt", revoke(func(b *bed) lab.Keys { return b.TLAKeys }),
		"pdt", "refused", []string{"revoked", lab.TLA}, []string{"session cut", "peer=" + lab.TLA}, pki.Revoked},
	{"gateway revoked at the PdT", "pdt", revoke(func(b *bed) lab.Keys { return b.GatewayKeys }),
		"pdt", "refused", []string{"revoked", lab.Gateway}, []string{"session cut"}, pki.Revoked},
	{"list goes stale at the PdT", "pdt", goStale, "pdt", "refused", []string{"crl_stale"}, []string{"session cut"},
		pki.CRLStale},

	{"PdT revoked at the TLA", "relay", revoke(func(b *bed) lab.Keys { return b.ServerKeys }),
		"refused", "revoked", []string{lab.PdT}, []string{"peer no longer accepted", "peer=" + lab.PdT}, pki.Revoked},
	{"gateway revoked at the TLA", "relay", revoke(func(b *bed) lab.Keys { return b.GatewayKeys }),
		"refused", "revoked", []string{lab.Gateway}, []string{"peer no longer accepted", "peer=" + lab.Gateway},
		pki.Revoked},
	{"list goes stale at the TLA", "relay", goStale, "refused", "crl_stale", nil, []string{"peer no longer accepted"},
		pki.CRLStale},
}

// revoke publishes a list with a certificate on it.
func revoke(whose func(*bed) lab.Keys) func(*testing.T, *bed, pkitest.Files) {
	return func(t *testing.T, b *bed, f pkitest.Files) {
		b.ca.Issuing.Revoke(readKeys(t, whose(b)).Leaf)
		pkitest.WriteCRL(t, f.CRL, b.ca.Issuing.CRL())
	}
}

// goStale publishes a good list that ends soon, and no other after it.
func goStale(t *testing.T, b *bed, f pkitest.Files) {
	pkitest.WriteCRL(t, f.CRL, b.ca.Issuing.CRL(pkitest.CRLValid(-time.Hour, 5*time.Second)))
}

// TestC2LiveSessionIsCut: a session that would no longer be accepted does not go on either. Only a file changes; no
// program is told of it.
func TestC2LiveSessionIsCut(t *testing.T) {
	t.Parallel()
	for _, d := range liveCuts {
		t.Run("C2 "+d.name, func(t *testing.T) {
			b := newBed(t)
			files := b.splitTrust(t)
			b.startSession(t)
			require.Equal(t, "up", b.relay(t, "status").Status.State)

			d.happen(t, b, files[d.at])
			last := b.waitEnd(t)
			require.Equal(t, d.code, last.Code, "%+v", last)
			require.Equal(t, d.reason, last.Reason, "%+v", last)
			for _, word := range d.detail {
				require.Contains(t, last.Detail+last.Peer, word)
			}
			logged(t, b.program(d.at), 0, append(d.log, "reason="+string(d.why))...)
			if d.code == "notice" {
				logged(t, b.RelayProc, 0, "notice of the gateway", "code="+d.reason)
				logged(t, b.PdTProc, 0, "notice of the gateway", "reason="+d.reason)
			}
			require.False(t, b.relay(t, "start").OK, "a new start is refused as well")
		})
	}
	t.Run("C2 PdT's certificate ends", func(t *testing.T) {
		b := newBed(t)
		b.splitTrust(t)
		b.ClientKeys = b.keys("pdt-client", b.ca.Issue(lab.PdT, x509.ExtKeyUsageClientAuth,
			pkitest.Valid(-time.Hour, 30*time.Second)))
		b.startSession(t, "limits: {recheck: 200ms}")
		last := b.waitEnd(t)
		require.Equal(t, "notice", last.Code, "%+v", last)
		require.Equal(t, "expired", last.Reason, "%+v", last)
		logged(t, b.GatewayProc, 0, "link cut", "reason="+string(pki.Expired), "peer="+lab.PdT)
	})
}

// TestC2LiveSessionStays: new lists that revoke other certificates change nothing.
func TestC2LiveSessionStays(t *testing.T) {
	b := newBed(t)
	files := b.splitTrust(t)
	b.startSession(t)
	b.ca.Issuing.Revoke(b.ca.Issue(identityFor(pki.RoleTLA, "somebody else"), x509.ExtKeyUsageClientAuth).Leaf)
	for name, f := range files {
		mark := b.program(name).Mark()
		pkitest.WriteCRL(t, f.CRL, b.ca.Issuing.CRL())
		logged(t, b.program(name), mark, "CRL loaded", "entries=1")
	}
	require.Equal(t, "up", b.relay(t, "status").Status.State)
	require.True(t, b.relay(t, "stop").OK)
}

// splitTrust gives each program good revocation lists in files of its own.
func (b *bed) splitTrust(t *testing.T) map[string]pkitest.Files {
	files := map[string]pkitest.Files{}
	for name, trust := range map[string]*lab.Trust{"gateway": &b.GatewayTrust, "pdt": &b.PdTTrust,
		"relay": &b.TLATrust} {
		f := pkitest.Files{ARL: filepath.Join(b.Dir, name+".arl"), CRL: filepath.Join(b.Dir, name+".crl")}
		pkitest.WriteCRL(t, f.ARL, b.ca.Root.CRL())
		pkitest.WriteCRL(t, f.CRL, b.ca.Issuing.CRL())
		trust.CRLs, files[name] = f.CRLs(), f
	}
	return files
}

// startSession starts everything, and a session that stays.
func (b *bed) startSession(t *testing.T, gatewayLines ...string) {
	t.Helper()
	require.NoError(t, b.StartGateway(gatewayLines...))
	b.startPdT(t)
	require.NoError(t, b.StartRelay())
	a := b.relay(t, "start")
	require.True(t, a.OK, "%+v", a.Error)
}

// waitEnd waits until the relay's session is over, and returns why.
func (b *bed) waitEnd(t *testing.T) relayWhy {
	t.Helper()
	logged(t, b.RelayProc, 0, "session ended")
	require.NoError(t, world.Poll(patience, "the relay to be idle", func() error {
		if state := b.relay(t, "status").Status.State; state != "idle" {
			return fmt.Errorf("it is %s", state)
		}
		return nil
	}))
	last := b.relay(t, "status").Status.Last
	require.NotNil(t, last)
	return *last
}

func (b *bed) program(name string) *world.Process {
	return map[string]*world.Process{"gateway": b.GatewayProc, "pdt": b.PdTProc, "relay": b.RelayProc}[name]
}
