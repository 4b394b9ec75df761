package integration

import (
	"crypto/tls"
	"crypto/x509"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/integration/lab"
	"tlagate/integration/world"
	"tlagate/pki"
	"tlagate/pki/pkitest"
	"tlagate/session/link"
)

// curl makes a request of the outer link, as a person would who tries it, and returns status and body.
func (b *bed) curl(t *testing.T, k lab.Keys, path string, headers ...string) (status, body string) {
	t.Helper()
	args := []string{"--silent", "--show-error", "--http1.1", "--cacert", b.ca.files.Anchor,
		"--cert", k.Cert, "--key", k.Key, "--write-out", "\n%{http_code}"}
	for _, h := range headers {
		args = append(args, "--header", h)
	}
	out, err := world.Run(patience, nil, "curl", append(args, "https://"+b.GatewayAddr+path)...)
	require.NoError(t, err)
	end := strings.LastIndexByte(out, '\n')
	return out[end+1:], out[:end]
}

// TestC2GatewayRefusesRequest: role and practice depend on the request, so the handshake succeeds and the answer is
// 403.
func TestC2GatewayRefusesRequest(t *testing.T) {
	b := newBed(t)
	neighbour := b.keys("neighbour", b.ca.Issue("urn:tlagate:"+otherPractice+":tla:valise", x509.ExtKeyUsageClientAuth))
	b.ca.publish(t)
	require.NoError(t, b.StartGateway())
	require.NoError(t, b.StartRelay())
	upgrade := []string{"Connection: Upgrade", "Upgrade: " + link.Protocol}
	open := link.PathOpen + "?pdt=" + url.QueryEscape(lab.PdT)

	for _, row := range []struct {
		name    string
		keys    lab.Keys
		who     string
		path    string
		problem link.ProblemCode
	}{
		{"a PdT that opens", b.ClientKeys, lab.PdT, open, link.ProblemWrongRole},
		{"a TLA that parks", b.TLAKeys, lab.TLA, link.PathPark, link.ProblemWrongRole},
		{"a TLA of another practice", neighbour, "urn:tlagate:" + otherPractice + ":tla:valise", open,
			link.ProblemWrongPractice},
	} {
		t.Run("C2 "+row.name, func(t *testing.T) {
			status, body := b.curl(t, row.keys, row.path, upgrade...)
			require.Equal(t, "403", status, body)
			require.Contains(t, body, `"urn:tlagate:problem:`+string(row.problem)+`"`)
			logged(t, b.GatewayProc, 0, "request refused", "reason="+string(row.problem), "peer="+row.who)
		})
	}
	t.Run("accepted without a defect", func(t *testing.T) {
		status, body := b.curl(t, b.TLAKeys, open)
		require.Equal(t, "503", status, "the TLA may open, and nothing is parked. %s", body)
		require.Contains(t, body, string(link.ProblemPdTAbsent))
		status, body = b.curl(t, neighbour, link.PathWhoami)
		require.Equal(t, "200", status, "its certificate is good. %s", body)
	})
	for _, row := range []struct {
		name    string
		keys    lab.Keys
		problem link.ProblemCode
	}{{"relay with a PdT's certificate", b.ClientKeys, link.ProblemWrongRole}, {"relay of another practice", neighbour,
		link.ProblemWrongPractice}} {
		t.Run("C2 "+row.name, func(t *testing.T) {
			b.keys("tla", readKeys(t, row.keys))
			hangUp(t, b.RelayProc)
			why := b.startRefused(t)
			require.Equal(t, "problem", why.Code, "%+v", why)
			require.Equal(t, string(row.problem), why.Reason, "%+v", why)
			require.NotEmpty(t, why.Detail)
		})
	}
}

// TestC2GatewayRefusesServerCertificate: a PdT parks with a good client certificate and declares a bad one for the card
// session.
func TestC2GatewayRefusesServerCertificate(t *testing.T) {
	b := newBed(t)
	rows := append([]certDefect{{"of another PdT", pki.WrongPeer,
		func(w *c2PKI, _ string, use x509.ExtKeyUsage) tls.Certificate {
			return w.Issue("urn:tlagate:"+lab.Practice+":pdt:comptoir", use)
		}}}, certDefects...)
	certs := map[string]tls.Certificate{}
	for _, d := range rows {
		certs[d.name] = d.make(b.ca, lab.PdT, x509.ExtKeyUsageServerAuth)
	}
	b.ca.publish(t)
	require.NoError(t, b.StartGateway())
	b.startPdT(t)
	require.NoError(t, b.PdTProc.Stop())
	for _, d := range rows {
		t.Run("C2 "+d.name, func(t *testing.T) {
			b.ServerKeys = b.keys("pdt-server", certs[d.name])
			mark := b.GatewayProc.Mark()
			require.NoError(t, b.LaunchPdT())
			defer func() { require.NoError(t, b.PdTProc.Stop()) }()
			if d.reason == pki.BadIdentity || d.reason == pki.WrongPeer {
				logged(t, b.PdTProc, 0, "cannot") // the PdT sees that itself
				return
			}
			logged(t, b.PdTProc, 0, "no link to the gateway", "reason="+string(link.ProblemBadServerCertificate))
			logged(t, b.GatewayProc, mark, "declared server certificate refused", "reason="+string(d.reason),
				"peer="+lab.PdT)
		})
	}
}

// TestC2Stores: an anchor vouches for its practices alone, and a production store accepts no test CA. Each program
// refuses what its own store does not accept; with a store that does, and nothing else changed, a session comes up.
func TestC2Stores(t *testing.T) {
	t.Parallel()
	t.Run("C2 name space", func(t *testing.T) {
		b := newBed(t)
		b.ca.publish(t)
		b.GatewayTrust.Practices = []string{"operateur-demo"} // its own
		b.PdTTrust.Practices, b.TLATrust.Practices = []string{lab.Practice}, []string{lab.Practice}
		b.start(t)
		b.everyoneRefuses(t, pki.NameSpace)
		b.stop(t)
		b.GatewayTrust.Practices, b.PdTTrust.Practices, b.TLATrust.Practices = nil, nil, nil
		b.start(t)
		b.everyoneAccepts(t)
	})
	t.Run("C2 test CA", func(t *testing.T) {
		b := newBed(t)
		test := b.ca.Root.Sub("TEST issuing")
		b.TLAKeys = b.keys("tla", test.Issue(lab.TLA, x509.ExtKeyUsageClientAuth))
		pkitest.WriteCRL(t, b.ca.files.ARL, b.ca.Root.CRL())
		pkitest.WriteCRL(t, b.ca.files.CRL, b.ca.Issuing.CRL(), test.CRL())
		b.GatewayTrust.Production, b.PdTTrust.Production, b.TLATrust.Production = true, true, true
		b.start(t)
		alerted(t, b.sClient(t, opensslKeys(b.TLAKeys).args()...))
		logged(t, b.GatewayProc, 0, "handshake refused", "reason="+string(pki.TestCA), "peer=claimed")
		b.stop(t)

		b.GatewayKeys = b.keys("gateway", test.Issue(lab.Gateway, x509.ExtKeyUsageServerAuth, named))
		b.GatewayTrust.Production = false
		b.start(t)
		b.relayRefuses(t, pki.TestCA)
		b.pdtRefuses(t, pki.TestCA)
		b.stop(t)

		b.PdTTrust.Production, b.TLATrust.Production = false, false
		b.start(t)
		b.everyoneAccepts(t)
	})
}

// start and stop start and stop gateway and relay.
func (b *bed) start(t *testing.T) {
	t.Helper()
	require.NoError(t, b.StartGateway())
	require.NoError(t, b.StartRelay())
}

func (b *bed) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, b.RelayProc.Stop())
	require.NoError(t, b.GatewayProc.Stop())
}
