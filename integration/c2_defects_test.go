package integration

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/integration/lab"
	"tlagate/pki"
	"tlagate/pki/pkitest"
)

// The refusal table (C2). Each defect is one thing wrong with a certificate, or with the revocation list that covers
// it, for which it must be refused. The directions in which it is refused are in the other c2_… files, which all take
// their rows from here.

// certDefect is a certificate that is refused from every component.
type certDefect struct {
	name   string
	reason pki.Reason
	make   func(w *c2PKI, identity string, use x509.ExtKeyUsage) tls.Certificate
}

var certDefects = []certDefect{
	{"unknown issuer", pki.UnknownIssuer, func(w *c2PKI, id string, use x509.ExtKeyUsage) tls.Certificate {
		return w.stranger.Issue(id, use, named)
	}},
	{"self-signed", pki.SelfSigned, issued(pkitest.SelfSigned())},
	{"signature spoilt", pki.BadSignature, func(w *c2PKI, id string, use x509.ExtKeyUsage) tls.Certificate {
		return spoilSignature(w.Issue(id, use, named))
	}},
	{"expired", pki.Expired, issued(pkitest.Expired())},
	{"issuer expired", pki.Expired, below(func(w *c2PKI) *pkitest.CA { return w.old })},
	{"not yet valid", pki.NotYetValid, issued(pkitest.NotYetValid())},
	{"the other usage", pki.ExtKeyUsage, func(w *c2PKI, id string, use x509.ExtKeyUsage) tls.Certificate {
		return w.Issue(id, otherUse(use), named)
	}},
	{"both usages", pki.ExtKeyUsage, issued(pkitest.EKU(x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth))},
	{"anyExtendedKeyUsage", pki.AnyExtKeyUsage, issued(pkitest.AnyEKU())},
	{"digitalSignature missing", pki.KeyUsage, issued(pkitest.NoDigitalSignature())},
	{"issuer is no CA", pki.NotCA, below(func(w *c2PKI) *pkitest.CA { return w.noCA })},
	{"issuer beyond pathLen", pki.NotCA, below(func(w *c2PKI) *pkitest.CA { return w.tooDeep })},
	{"unknown critical extension", pki.BadCertificate, issued(pkitest.UnknownCritical())},
	{"no policy", pki.Policy, issued(pkitest.NoPolicy())},
	{"no identity", pki.BadIdentity, issued(pkitest.URIs())},
	{"RSA-1024", pki.WeakKey, issued(pkitest.RSA(1024))},
	{"P-224 issuer", pki.WeakKey, below(func(w *c2PKI) *pkitest.CA { return w.weak })},
	{"SHA-1", pki.WeakSignature, func(w *c2PKI, id string, use x509.ExtKeyUsage) tls.Certificate {
		return w.Issue(id, use, named, pkitest.SHA1(w.Issuing))
	}},
	{"revoked", pki.Revoked, func(w *c2PKI, id string, use x509.ExtKeyUsage) tls.Certificate {
		cert := w.Issue(id, use, named)
		w.Issuing.Revoke(cert.Leaf)
		return cert
	}},
	{"issuing CA revoked", pki.CARevoked, below(func(w *c2PKI) *pkitest.CA { return w.revoked })},
}

// crlDefect is what is wrong with the revocation list of the CA that issued a good certificate.
type crlDefect struct {
	name    string
	reason  pki.Reason
	publish func(t *testing.T, w *c2PKI) // replaces good lists
}

var crlDefects = []crlDefect{
	{"none", pki.CRLMissing, func(t *testing.T, w *c2PKI) { require.NoError(t, os.Remove(w.files.CRL)) }},
	{"none, and another CA's at hand", pki.CRLMissing, func(t *testing.T, w *c2PKI) {
		require.NoError(t, os.Remove(w.files.CRL))
		pkitest.WriteCRL(t, w.files.ARL, w.Root.CRL(), w.stranger.Issuing.CRL())
	}},
	{"stale", pki.CRLStale, crlWith(pkitest.CRLStale())},
	{"ARL stale", pki.CRLStale, func(t *testing.T, w *c2PKI) {
		pkitest.WriteCRL(t, w.files.ARL, w.Root.CRL(pkitest.CRLStale()))
	}},
	{"from the future", pki.CRLFuture, crlWith(pkitest.CRLFuture())},
	{"bad signature", pki.CRLBadSignature, crlWith(pkitest.CRLBadSignature())},
	{"signed by another CA", pki.CRLWrongIssuer, func(t *testing.T, w *c2PKI) {
		pkitest.WriteCRL(t, w.files.CRL, w.Issuing.CRL(pkitest.CRLSignedBy(w.stranger.Issuing)))
	}},
	{"of another CA", pki.CRLWrongIssuer, func(t *testing.T, w *c2PKI) {
		pkitest.WriteCRL(t, w.files.CRL, w.stranger.Issuing.CRL())
	}},
	{"critical extension unknown", pki.CRLBad, crlWith(pkitest.CRLUnknownCritical())},
	{"a delta only", pki.CRLBad, crlWith(pkitest.CRLDelta(1))},
}

func crlWith(o ...pkitest.CRLOption) func(*testing.T, *c2PKI) {
	return func(t *testing.T, w *c2PKI) { pkitest.WriteCRL(t, w.files.CRL, w.Issuing.CRL(o...)) }
}

// c2PKI is a device CA that can also make everything that must be refused.
type c2PKI struct {
	*pkitest.PKI
	files pkitest.Files

	stranger           *pkitest.PKI // whose root is no anchor
	revoked, weak, old *pkitest.CA  // below our root
	noCA, tooDeep      *pkitest.CA
}

func newC2PKI(t *testing.T, dir string) *c2PKI {
	p := pkitest.NewNamed(t, "tlagate C2")
	w := &c2PKI{PKI: p, stranger: pkitest.NewNamed(t, "stranger"), files: pkitest.Files{
		Anchor: filepath.Join(dir, "root.pem"), ARL: filepath.Join(dir, "root.crl"),
		CRL: filepath.Join(dir, "issuing.crl"),
	}}
	pkitest.WriteCertificates(t, w.files.Anchor, p.Root.Cert)
	w.revoked = p.Root.Sub("revoked issuing")
	w.weak = p.Root.Sub("P-224 issuing", pkitest.P224())
	w.old = p.Root.Sub("old issuing", pkitest.Expired())
	w.noCA = p.Root.Sub("no CA", pkitest.NotCA())
	w.tooDeep = p.Issuing.Sub("too deep")
	p.Root.Revoke(w.revoked.Cert)
	return w
}

// publish writes good revocation lists of every CA.
func (w *c2PKI) publish(t *testing.T) {
	pkitest.WriteCRL(t, w.files.ARL, w.Root.CRL())
	pkitest.WriteCRL(t, w.files.CRL, w.Issuing.CRL(), w.revoked.CRL(), w.old.CRL())
}

func (w *c2PKI) trust() lab.Trust { return lab.Trust{Anchor: w.files.Anchor, CRLs: w.files.CRLs()} }

func issued(o ...pkitest.Option) func(*c2PKI, string, x509.ExtKeyUsage) tls.Certificate {
	return func(w *c2PKI, id string, use x509.ExtKeyUsage) tls.Certificate {
		return w.Issue(id, use, append([]pkitest.Option{named}, o...)...)
	}
}

func below(ca func(*c2PKI) *pkitest.CA) func(*c2PKI, string, x509.ExtKeyUsage) tls.Certificate {
	return func(w *c2PKI, id string, use x509.ExtKeyUsage) tls.Certificate { return ca(w).Issue(id, use, named) }
}

// named adds the names by which the gateway is dialled here to a server's certificate.
var named = pkitest.Template(func(c *x509.Certificate) {
	c.DNSNames, c.IPAddresses = []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1)}
})

func otherUse(use x509.ExtKeyUsage) x509.ExtKeyUsage {
	if use == x509.ExtKeyUsageClientAuth {
		return x509.ExtKeyUsageServerAuth
	}
	return x509.ExtKeyUsageClientAuth
}

// spoilSignature changes the last bit of the leaf's signature.
func spoilSignature(c tls.Certificate) tls.Certificate {
	der := append([]byte(nil), c.Certificate[0]...)
	der[len(der)-1] ^= 1
	c.Certificate = append([][]byte{der}, c.Certificate[1:]...)
	c.Leaf = pkitest.Chain(c)[0]
	return c
}

// identityFor returns an identity for the component of one row, so that its lines in a log can be told from others.
func identityFor(role pki.Role, row string) string {
	return pki.Identity{Practice: lab.Practice, Role: role, Name: "c2-" + slug(row)}.String()
}

func slug(s string) string { return strings.ToLower(strings.NewReplacer(" ", "-", ",", "").Replace(s)) }
