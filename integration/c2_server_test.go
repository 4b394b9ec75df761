package integration

import (
	"crypto/tls"
	"crypto/x509"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/integration/lab"
	"tlagate/pki"
	"tlagate/pki/pkitest"
)

// serverDefects are what a gateway's certificate is refused for, besides what every certificate is refused for.
var serverDefects = []certDefect{
	{"another name", pki.NameMismatch, issued(pkitest.Template(func(c *x509.Certificate) {
		c.DNSNames, c.IPAddresses = []string{"elsewhere.invalid"}, nil
	}))},
	{"a PdT in the gateway's place", pki.WrongRole, func(w *c2PKI, _ string, use x509.ExtKeyUsage) tls.Certificate {
		return w.Issue(lab.PdT, use, named)
	}},
}

// TestC2GatewayIsRefused: on the outer link. The real gateway shows each bad certificate in turn; relay and PdT refuse
// it, and it logs what it can tell from its own certificate.
func TestC2GatewayIsRefused(t *testing.T) {
	b := newBed(t)
	rows := append(append([]certDefect{}, certDefects...), serverDefects...)
	certs := map[string]tls.Certificate{}
	for _, d := range rows {
		certs[d.name] = d.make(b.ca, identityFor(pki.RoleGateway, d.name), x509.ExtKeyUsageServerAuth)
	}
	good := readKeys(t, b.GatewayKeys)
	b.ca.publish(t)
	require.NoError(t, b.StartGateway())
	require.NoError(t, b.StartRelay())
	t.Run("accepted without a defect", func(t *testing.T) { b.everyoneAccepts(t) })
	for _, d := range rows {
		t.Run("C2 "+d.name, func(t *testing.T) {
			b.keys("gateway", certs[d.name])
			hangUp(t, b.GatewayProc)
			mark := b.GatewayProc.Mark()
			b.relayRefuses(t, d.reason)
			logged(t, b.GatewayProc, mark, "peer refused us", "bad certificate", hints[d.reason])
			mark = b.GatewayProc.Mark()
			b.pdtRefuses(t, d.reason)
			logged(t, b.GatewayProc, mark, "peer refused us", "bad certificate", hints[d.reason])
		})
	}
	t.Run("accepted again", func(t *testing.T) {
		b.keys("gateway", good)
		b.everyoneAccepts(t)
	})
}

// hints are what a side that is refused says about its own certificate.
var hints = map[pki.Reason]string{
	pki.UnknownIssuer:  "without an issuer that leads to an anchor",
	pki.SelfSigned:     "is signed by itself",
	pki.BadSignature:   "is not signed by the issuer it names",
	pki.Expired:        "has ended",
	pki.NotYetValid:    "is not valid yet",
	pki.ExtKeyUsage:    "is for another use",
	pki.AnyExtKeyUsage: "allows any use",
	pki.KeyUsage:       "lacks digitalSignature",
	pki.NotCA:          "has an issuer that is no CA",
	pki.BadCertificate: "is malformed",
	pki.Policy:         "names no certificate policy",
	pki.BadIdentity:    "names no urn:tlagate identity",
	pki.WeakKey:        "has a weak key",
	pki.WeakSignature:  "is signed with a weak algorithm",
	pki.Revoked:        "is revoked",
	pki.CARevoked:      "comes from a CA that is revoked",
	pki.NameMismatch:   "looks right from here", // only the peer knows which name it dialled
	pki.WrongRole:      "looks right from here",
}
