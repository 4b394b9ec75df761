package trust_test

import (
	"crypto/tls"
	"crypto/x509"
	"go/ast"
	"go/parser"
	"go/token"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/pkitest"
	"tlagate/pki/pkitest/bed"
	"tlagate/pki/trust"
)

// refusal is one row: a peer's certificate, or the judge's trust store, with one defect. Each row is tried with the
// peer as client and as server, in real handshakes.
type refusal struct {
	name   string
	reason pki.Reason
	opts   []pkitest.Option                                           // of the peer's certificate
	issue  func(w *bed.World, usage x509.ExtKeyUsage) tls.Certificate // instead of opts
	trust  func(w *bed.World, peer tls.Certificate)                   // spoils the judge's store
	want   func(want *trust.Want)                                     // what else the judge wants
	// a raw client whose TLS is wrong; the judge is the server
	client func(t *testing.T, w *bed.World, good *tls.Config) *tls.Config
}

func issuedBy(ca func(w *bed.World) *pkitest.CA) func(*bed.World, x509.ExtKeyUsage) tls.Certificate {
	return func(w *bed.World, usage x509.ExtKeyUsage) tls.Certificate { return ca(w).Issue(bed.TLA1, usage) }
}

func issuedAs(ca func(w *bed.World) *pkitest.CA,
	opts ...pkitest.Option) func(*bed.World, x509.ExtKeyUsage) tls.Certificate {
	return func(w *bed.World, usage x509.ExtKeyUsage) tls.Certificate {
		return ca(w).Issue(bed.TLA1, usage, opts...)
	}
}

const onTheWay = "gw.example"

func dialled(w *trust.Want) { w.DNSName = onTheWay }

// forged returns certificates from a CA that is none of ours, for the name that was dialled.
func forged(opts ...pkitest.Option) func(*bed.World, x509.ExtKeyUsage) tls.Certificate {
	appliance := func(w *bed.World) *pkitest.CA { return pkitest.NewNamed(w.T, "TEST appliance").Issuing }
	return issuedAs(appliance, append(opts, pkitest.DNS(onTheWay))...)
}

// forgedWithRoot also sends the device's own CA, about which nothing is proven.
func forgedWithRoot(w *bed.World, usage x509.ExtKeyUsage) tls.Certificate {
	appliance := pkitest.NewNamed(w.T, "TEST appliance")
	c := appliance.Root.Issue(bed.TLA1, usage, pkitest.NoPolicy(), pkitest.DNS(onTheWay))
	c.Certificate = append(c.Certificate[:1], appliance.Root.Cert.Raw)
	return c
}

func sub(opts ...pkitest.Option) func(*bed.World, x509.ExtKeyUsage) tls.Certificate {
	return issuedBy(func(w *bed.World) *pkitest.CA {
		ca := w.Root.Sub("TEST other issuing", opts...)
		pkitest.WriteCRL(w.T, w.Files.CRL, ca.CRL())
		return ca
	})
}

func clientHas(change func(c *tls.Config)) func(*testing.T, *bed.World, *tls.Config) *tls.Config {
	return func(_ *testing.T, _ *bed.World, good *tls.Config) *tls.Config { change(good); return good }
}

var (
	both = []x509.ExtKeyUsage{bed.AsClient, bed.AsServer}
)

var refusals = []refusal{
	{name: "C2 unknown critical extension", reason: pki.BadCertificate, opts: opts(pkitest.UnknownCritical())},
	{name: "C2 unknown critical extension in the CA", reason: pki.BadCertificate,
		issue: sub(pkitest.UnknownCritical())},
	{name: "C2 X.509 v1", reason: pki.BadCertificate, opts: opts(pkitest.V1())},
	{name: "C2 serial zero", reason: pki.BadCertificate, opts: opts(pkitest.Serial(new(big.Int)))},
	{name: "C2 serial of 21 octets", reason: pki.BadCertificate,
		opts: opts(pkitest.Serial(new(big.Int).Lsh(big.NewInt(1), 161)))},
	{name: "C2 a CA's certificate as a component's", reason: pki.BadCertificate,
		opts: opts(pkitest.Template(func(c *x509.Certificate) { c.IsCA = true }))},
	{name: "C2 eleven certificates", reason: pki.BadCertificate, issue: elevenCertificates},

	{name: "C2 other CA", reason: pki.UnknownIssuer,
		issue: issuedBy(func(w *bed.World) *pkitest.CA { return pkitest.NewNamed(w.T, "TEST foreign").Issuing })},
	{name: "C2 other CA of the same name", reason: pki.UnknownIssuer,
		issue: issuedBy(func(w *bed.World) *pkitest.CA { return pkitest.New(w.T).Issuing })},
	{name: "C2 issuing CA not sent", reason: pki.UnknownIssuer, issue: leafOnly},
	{name: "C2 TLS is opened on the way", reason: pki.Inspected, issue: forged(pkitest.URIs(), pkitest.NoPolicy()),
		want: dialled},
	{name: "C2 TLS is opened on the way, the names are copied", reason: pki.Inspected,
		issue: forged(pkitest.NoPolicy()), want: dialled},
	{name: "C2 TLS is opened on the way, the root is shown", reason: pki.Inspected, issue: forgedWithRoot,
		want: dialled},
	{name: "C2 other CA, the name that was dialled", reason: pki.UnknownIssuer, want: dialled, issue: forged()},
	{name: "C2 other CA, another name than was dialled", reason: pki.UnknownIssuer,
		want:  func(w *trust.Want) { w.DNSName = "gw2.example" },
		issue: forged(pkitest.URIs(), pkitest.NoPolicy())},
	{name: "C2 other CA of the same name, no policy", reason: pki.UnknownIssuer, want: dialled,
		issue: issuedAs(func(w *bed.World) *pkitest.CA { return pkitest.New(w.T).Issuing }, pkitest.DNS(onTheWay),
			pkitest.NoPolicy())},
	{name: "C2 self-signed", reason: pki.SelfSigned, opts: opts(pkitest.SelfSigned())},
	{name: "C2 signature spoilt", reason: pki.BadSignature, issue: spoilt},
	{name: "C2 CA's signature spoilt", reason: pki.BadSignature, issue: spoiltCA},
	{name: "C2 expired", reason: pki.Expired, opts: opts(pkitest.Expired())},
	{name: "C2 CA expired", reason: pki.Expired, issue: sub(pkitest.Expired())},
	{name: "C2 not yet valid", reason: pki.NotYetValid, opts: opts(pkitest.NotYetValid())},
	{name: "C2 missing digitalSignature", reason: pki.KeyUsage, opts: opts(pkitest.NoDigitalSignature())},
	{name: "C2 no key usage", reason: pki.KeyUsage, opts: opts(pkitest.KeyUsage(0))},
	{name: "C2 key usage of a CA", reason: pki.KeyUsage,
		opts: opts(pkitest.KeyUsage(x509.KeyUsageDigitalSignature | x509.KeyUsageCRLSign))},
	{name: "C2 CA without keyCertSign", reason: pki.KeyUsage, issue: sub(pkitest.KeyUsage(x509.KeyUsageCRLSign))},
	{name: "C2 wrong EKU", reason: pki.ExtKeyUsage, issue: wrongUsage},
	{name: "C2 both EKUs", reason: pki.ExtKeyUsage, opts: opts(pkitest.EKU(both...))},
	{name: "C2 no EKU", reason: pki.ExtKeyUsage, opts: opts(pkitest.EKU())},
	{name: "C2 CA for another EKU", reason: pki.ExtKeyUsage, issue: sub(pkitest.EKU(x509.ExtKeyUsageOCSPSigning))},
	{name: "C2 anyExtendedKeyUsage", reason: pki.AnyExtKeyUsage, opts: opts(pkitest.AnyEKU())},
	{name: "C2 anyExtendedKeyUsage alone", reason: pki.AnyExtKeyUsage, opts: opts(pkitest.EKU(x509.ExtKeyUsageAny))},
	{name: "C2 issuer is no CA", reason: pki.NotCA, issue: sub(pkitest.NotCA())},
	{name: "C2 beyond pathLen", reason: pki.NotCA,
		issue: issuedBy(func(w *bed.World) *pkitest.CA { return w.Issuing.Sub("TEST too deep") })},
	{name: "C2 no policy", reason: pki.Policy, opts: opts(pkitest.NoPolicy())},
	{name: "C2 no policy in the CA", reason: pki.Policy, issue: sub(pkitest.NoPolicy())},
	{name: "G5 RSA-1024", reason: pki.WeakKey, opts: opts(pkitest.RSA(1024))},
	{name: "G5 RSA with e = 3", reason: pki.WeakKey, opts: opts(pkitest.SmallExponent())},
	{name: "G5 P-521", reason: pki.WeakKey, opts: opts(pkitest.P521())},
	{name: "G5 P-224 issuer", reason: pki.WeakKey, issue: sub(pkitest.P224())},
	{name: "G5 RSA-1024 issuer", reason: pki.WeakKey, issue: sub(pkitest.RSA(1024))},
	{name: "G5 SHA-1", reason: pki.WeakSignature, issue: sha1Leaf},
	{name: "G5 SHA-1 by RSA", reason: pki.WeakSignature, issue: sha1RSA},
	{name: "G5 SHA-1 on the CA", reason: pki.WeakSignature,
		issue: issuedBy(func(w *bed.World) *pkitest.CA { return w.Root.Sub("TEST SHA-1", pkitest.SHA1(w.Root)) })},
	{name: "C2 other DNS name", reason: pki.NameMismatch, opts: opts(pkitest.DNS("a.example")),
		want: func(w *trust.Want) { w.DNSName = "b.example" }},
	{name: "C2 no identity", reason: pki.BadIdentity, opts: opts(pkitest.URIs())},
	{name: "C2 two identities", reason: pki.BadIdentity, opts: opts(pkitest.URIs(bed.TLA1, bed.PdT1))},
	{name: "C2 unknown role", reason: pki.BadIdentity, opts: opts(pkitest.URIs("urn:tlagate:cab1:king:t1"))},
	{name: "C2 name space of another anchor", reason: pki.NameSpace,
		trust: func(w *bed.World, _ tls.Certificate) { w.Config.Anchors[0].Practices = []string{"cab2"} }},
	{name: "C2 anchor that vouches for nobody", reason: pki.NameSpace,
		trust: func(w *bed.World, _ tls.Certificate) { w.Config.Anchors[0].Practices = nil }},
	{name: "C2 name constraints of the CA", reason: pki.NameSpace, issue: constrained},
	{name: "C2 wrong role", reason: pki.WrongRole,
		want: func(w *trust.Want) { w.Roles = []pki.Role{pki.RolePdT, pki.RoleGateway} }},
	{name: "C2 other practice", reason: pki.WrongPractice, want: func(w *trust.Want) { w.Practice = "cab2" }},
	{name: "C2 another peer", reason: pki.WrongPeer,
		want: func(w *trust.Want) { w.Identity = pki.Identity{Practice: "cab1", Role: pki.RoleTLA, Name: "t2"} }},
	{name: "C2 test CA in production", reason: pki.TestCA, issue: testCA},

	{name: "C2 revoked", reason: pki.Revoked, trust: func(w *bed.World, c tls.Certificate) {
		w.Issuing.Revoke(c.Leaf)
		w.WriteCRLs(w.Files)
	}},
	{name: "C2 revoked issuing CA", reason: pki.CARevoked, trust: func(w *bed.World, _ tls.Certificate) {
		w.Root.Revoke(w.Issuing.Cert)
		w.WriteCRLs(w.Files)
	}},
	{name: "C2 no CRL at all", reason: pki.CRLMissing,
		trust: func(w *bed.World, _ tls.Certificate) { w.Config.CRLs = nil }},
	{name: "C2 no CRL of the issuing CA", reason: pki.CRLMissing,
		trust: func(w *bed.World, _ tls.Certificate) { w.Config.CRLs = []string{w.Files.ARL} }},
	{name: "C2 no ARL", reason: pki.CRLMissing,
		trust: func(w *bed.World, _ tls.Certificate) { w.Config.CRLs = []string{w.Files.CRL} }},
	{name: "C2 CRL file absent", reason: pki.CRLMissing,
		trust: func(w *bed.World, _ tls.Certificate) { require.NoError(w.T, os.Remove(w.Files.CRL)) }},
	{name: "C2 stale CRL", reason: pki.CRLStale, trust: bed.CRL(pkitest.CRLStale())},
	{name: "C2 stale ARL", reason: pki.CRLStale, trust: bed.ARL(pkitest.CRLStale())},
	{name: "C2 CRL from the future", reason: pki.CRLFuture, trust: bed.CRL(pkitest.CRLFuture())},
	{name: "C2 CRL with a bad signature", reason: pki.CRLBadSignature, trust: bed.CRL(pkitest.CRLBadSignature())},
	{name: "C2 ARL with a bad signature", reason: pki.CRLBadSignature, trust: bed.ARL(pkitest.CRLBadSignature())},
	{name: "C2 CRL signed by another CA", reason: pki.CRLWrongIssuer, trust: func(w *bed.World, _ tls.Certificate) {
		pkitest.WriteCRL(w.T, w.Files.CRL, w.Issuing.CRL(pkitest.CRLSignedBy(w.Root)))
	}},
	{name: "C2 CRL of another CA", reason: pki.CRLWrongIssuer, trust: func(w *bed.World, _ tls.Certificate) {
		pkitest.WriteCRL(w.T, w.Files.CRL, pkitest.NewNamed(w.T, "TEST foreign").Issuing.CRL())
	}},
	{name: "C2 CA without cRLSign", reason: pki.CRLWrongIssuer, issue: sub(pkitest.KeyUsage(x509.KeyUsageCertSign))},
	{name: "C2 CRLNumber gone back", reason: pki.CRLNumberBack, trust: numberBack},
	{name: "C2 CRL unreadable", reason: pki.CRLBad, trust: func(w *bed.World, _ tls.Certificate) {
		require.NoError(w.T, os.WriteFile(w.Files.CRL, []byte("not a CRL"), 0o644))
	}},
	{name: "C2 CRL empty", reason: pki.CRLBad, trust: func(w *bed.World, _ tls.Certificate) {
		require.NoError(w.T, os.WriteFile(w.Files.CRL, nil, 0o644))
	}},
	{name: "C2 CRL too large", reason: pki.CRLBad,
		trust: func(w *bed.World, _ tls.Certificate) { w.Config.MaxCRL = 100 }},
	{name: "C2 CRL without number", reason: pki.CRLBad, trust: bed.CRL(pkitest.CRLNumber(-1))},
	{name: "C2 CRL without authority key identifier", reason: pki.CRLBad, trust: bed.CRL(pkitest.CRLNoAKI())},
	{name: "C2 CRL without nextUpdate", reason: pki.CRLBad, trust: bed.CRL(pkitest.CRLNoNextUpdate())},
	{name: "C2 CRL with an unknown critical extension", reason: pki.CRLBad,
		trust: bed.CRL(pkitest.CRLUnknownCritical())},
	{name: "C2 CRL with an unknown critical entry extension", reason: pki.CRLBad,
		trust: bed.CRL(pkitest.CRLEntryExtension(bed.EntryIssuer))},
	{name: "C2 delta CRL", reason: pki.CRLBad, trust: bed.CRL(pkitest.CRLDelta(1))},
	{name: "C2 indirect CRL", reason: pki.CRLBad, trust: bed.CRL(pkitest.CRLWithIDP(pkitest.IDP{Indirect: true}))},
	{name: "C2 CRL for some reasons", reason: pki.CRLBad,
		trust: bed.CRL(pkitest.CRLWithIDP(pkitest.IDP{SomeReasons: true}))},
	{name: "C2 CRL for attribute certificates", reason: pki.CRLBad,
		trust: bed.CRL(pkitest.CRLWithIDP(pkitest.IDP{OnlyAttributes: true}))},
	{name: "C2 CRL for CAs used for a leaf", reason: pki.CRLBad,
		trust: bed.CRL(pkitest.CRLWithIDP(pkitest.IDP{OnlyCA: true}))},
	{name: "C2 CRL for users used for a CA", reason: pki.CRLBad,
		trust: bed.ARL(pkitest.CRLWithIDP(pkitest.IDP{OnlyUser: true}))},
	{name: "C2 CRL of another distribution point", reason: pki.CRLBad,
		trust: bed.CRL(pkitest.CRLWithIDP(pkitest.IDP{URL: "http://a.example/crl"})),
		opts:  opts(pkitest.CRLDP("http://b.example/crl"))},

	{name: "C2 denied by name", reason: pki.OnDenyList,
		trust: func(w *bed.World, _ tls.Certificate) { w.Denies(bed.TLA1) }},
	{name: "C2 denied by serial", reason: pki.OnDenyList,
		trust: func(w *bed.World, c tls.Certificate) { w.Denies(c.Leaf.SerialNumber.Text(16)) }},
	{name: "C2 responder silent, no CRL", reason: pki.OCSPMissing, trust: func(w *bed.World, _ tls.Certificate) {
		w.WithoutCRL()
		w.Config.OCSP.Responders = []string{"http://127.0.0.1:1"}
	}},

	{name: "C2 no client certificate", reason: pki.NoCertificate,
		client: clientHas(func(c *tls.Config) { c.Certificates = nil })},
	{name: "C2 P-224 client certificate", reason: pki.NoCertificate, client: p224Client},
	{name: "C2 TLS 1.2", reason: pki.TLSVersion,
		client: clientHas(func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 })},
	{name: "C2 TLS 1.1", reason: pki.CipherSuite,
		client: clientHas(func(c *tls.Config) { c.MaxVersion = tls.VersionTLS11 })},
	{name: "C2 a CBC suite", reason: pki.CipherSuite, client: clientHas(func(c *tls.Config) {
		c.MaxVersion = tls.VersionTLS12
		c.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}
	})},
	{name: "C2 no allowed group", reason: pki.CipherSuite,
		client: clientHas(func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.CurveP521} })},
	{name: "C2 wrong ALPN", reason: pki.ALPN,
		client: clientHas(func(c *tls.Config) { c.NextProtos = []string{"h2", "http/1.1"} })},
	{name: "C2 another's certificate without its key", reason: pki.HandshakeFailed, client: stolen},
}

func opts(o ...pkitest.Option) []pkitest.Option { return o }

func TestC2Refusals(t *testing.T) {
	for _, row := range refusals {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if row.client != nil {
				row.playTLS(t)
				return
			}
			t.Run("client", func(t *testing.T) { row.play(t, bed.AsClient) })
			t.Run("server", func(t *testing.T) { row.play(t, bed.AsServer) })
		})
	}
}

// play connects a peer with the defect to the judge, which must refuse it with the row's reason and call it claimed.
func (row refusal) play(t *testing.T, usage x509.ExtKeyUsage) {
	w := bed.New(t)
	peer := row.certificate(w, usage)
	if row.trust != nil {
		row.trust(w, peer)
	}
	want := trust.Want{Usage: usage}
	if row.want != nil {
		row.want(&want)
	}
	trust := w.Open()
	verdict, err := trust.Verify(pkitest.Chain(peer), want)
	require.Equal(t, row.reason, pki.ReasonOf(err), "%v", err)
	require.Error(t, verdict.Checks[len(verdict.Checks)-1].Err)

	got, told := row.meet(t, w, trust, usage, want, peer)
	require.Equal(t, row.reason, pki.ReasonOf(got.Err), "%v", got.Err)
	require.Nil(t, got.Peer)
	require.Nil(t, got.Conn)
	var r *pki.Refusal
	require.ErrorAs(t, got.Err, &r)
	require.Contains(t, r.Subject, "claimed ")
	require.NotEmpty(t, r.Detail)
	require.ErrorContains(t, told, "bad certificate")
}

func (row refusal) certificate(w *bed.World, usage x509.ExtKeyUsage) tls.Certificate {
	if row.issue != nil {
		return row.issue(w, usage)
	}
	return w.Issue(bed.TLA1, usage, row.opts...)
}

func (row refusal) meet(t *testing.T, w *bed.World, trust *trust.Trust, usage x509.ExtKeyUsage, want trust.Want,
	peer tls.Certificate) (bed.Outcome, error) {
	if usage == bed.AsClient {
		return bed.Serve(t, w.Party(trust, bed.PdT1, bed.AsServer), want, bed.Showing(peer))
	}
	return bed.Dial(t, w.Party(trust, bed.PdT1, bed.AsClient), want, bed.Stranger(peer))
}

// playTLS connects a raw client with wrong TLS to a server.
func (row refusal) playTLS(t *testing.T) {
	w := bed.New(t)
	conf := row.client(t, w, bed.Stranger(w.Issue(bed.TLA1, bed.AsClient)))
	got, told := bed.Serve(t, w.Party(w.Open(), bed.PdT1, bed.AsServer), trust.Want{Usage: bed.AsClient}, conf)
	require.Equal(t, row.reason, pki.ReasonOf(got.Err), "%v", got.Err)
	require.Nil(t, got.Peer)
	require.Error(t, told)
}

// TestEveryReasonHasARow fails when a Reason constant is neither in a row above nor named here with its own test.
func TestEveryReasonHasARow(t *testing.T) {
	elsewhere := map[pki.Reason]string{pki.HandshakeSlow: "TestC2SlowHandshake", pki.StapleMissing: "TestC2MustStaple",
		pki.NotRGS: "TestG5RGSRefusesChaCha20", pki.UserStatus: "TestC2PersonRefused"}
	for _, lie := range ocspLies {
		elsewhere[lie.reason] = "TestC2OCSPAnswersThatLie"
	}
	rows := map[pki.Reason]bool{}
	for _, row := range refusals {
		rows[row.reason] = true
	}
	constants := reasonConstants(t)
	require.Len(t, pki.Reasons, len(constants))
	for _, r := range constants {
		require.Contains(t, pki.Reasons, r)
		require.True(t, rows[r] || elsewhere[r] != "", "no test refuses for %s", r)
	}
}

// reasonConstants reads the constants of type Reason from the source.
func reasonConstants(t *testing.T) []pki.Reason {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../refusal.go", nil, 0)
	require.NoError(t, err)
	var found []pki.Reason
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || spec.Type == nil || len(spec.Values) != 1 {
			return true
		}
		if id, ok := spec.Type.(*ast.Ident); ok && id.Name == "Reason" {
			word, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			require.NoError(t, err)
			found = append(found, pki.Reason(word))
		}
		return true
	})
	require.NotEmpty(t, found)
	return found
}

func elevenCertificates(w *bed.World, usage x509.ExtKeyUsage) tls.Certificate {
	c := w.Issue(bed.TLA1, usage)
	for len(c.Certificate) < 11 {
		c.Certificate = append(c.Certificate, c.Certificate[1])
	}
	return c
}

func leafOnly(w *bed.World, usage x509.ExtKeyUsage) tls.Certificate {
	c := w.Issue(bed.TLA1, usage)
	c.Certificate = c.Certificate[:1]
	return c
}

func spoilt(w *bed.World, usage x509.ExtKeyUsage) tls.Certificate {
	c := w.Issue(bed.TLA1, usage)
	c.Certificate[0][len(c.Certificate[0])-1] ^= 1
	return c
}

func spoiltCA(w *bed.World, usage x509.ExtKeyUsage) tls.Certificate {
	c := w.Issue(bed.TLA1, usage)
	ca := append([]byte(nil), c.Certificate[1]...)
	ca[len(ca)-1] ^= 1
	c.Certificate[1] = ca
	return c
}

func wrongUsage(w *bed.World, usage x509.ExtKeyUsage) tls.Certificate {
	if usage == bed.AsClient {
		return w.Issue(bed.TLA1, bed.AsServer)
	}
	return w.Issue(bed.TLA1, bed.AsClient)
}

func sha1Leaf(w *bed.World, usage x509.ExtKeyUsage) tls.Certificate {
	return w.Issue(bed.TLA1, usage, pkitest.SHA1(w.Issuing))
}

func sha1RSA(w *bed.World, usage x509.ExtKeyUsage) tls.Certificate {
	ca := w.Root.Sub("TEST RSA issuing", pkitest.RSA(3072))
	return ca.Issue(bed.TLA1, usage, pkitest.SHA1(ca))
}

func constrained(w *bed.World, usage x509.ExtKeyUsage) tls.Certificate {
	ca := w.Root.Sub("TEST constrained", pkitest.Template(func(c *x509.Certificate) {
		c.PermittedDNSDomainsCritical, c.PermittedDNSDomains = true, []string{"inside.example"}
	}))
	return ca.Issue(bed.TLA1, usage, pkitest.DNS("outside.example"))
}

// testCA returns a certificate from an issuing CA named TEST under a production root.
func testCA(w *bed.World, usage x509.ExtKeyUsage) tls.Certificate {
	w.PKI = pkitest.NewNamed(w.T, "Production")
	w.Files = w.WriteTrust(filepath.Dir(w.Files.Anchor))
	w.Config.Production = true
	return w.Root.Sub("TEST issuing").Issue(bed.TLA1, usage)
}

// numberBack makes a trust store accept a CRL with number 9, then publishes one with number 5 for the next start.
func numberBack(w *bed.World, peer tls.Certificate) {
	w.Config.State = filepath.Join(w.T.TempDir(), "numbers.json")
	w.Config.Intermediates = []string{w.Files.Intermediate}
	pkitest.WriteCRL(w.T, w.Files.CRL, w.Issuing.CRL(pkitest.CRLNumber(9)))
	_, err := w.Open().Verify(pkitest.Chain(peer), trust.Want{Usage: peer.Leaf.ExtKeyUsage[0]})
	require.NoError(w.T, err)
	pkitest.WriteCRL(w.T, w.Files.CRL, w.Issuing.CRL(pkitest.CRLNumber(5)))
}

func p224Client(_ *testing.T, w *bed.World, good *tls.Config) *tls.Config {
	good.Certificates = []tls.Certificate{w.Issue(bed.TLA1, bed.AsClient, pkitest.P224())}
	return good
}

// stolen shows a victim's certificate with a key of its own.
func stolen(_ *testing.T, w *bed.World, good *tls.Config) *tls.Config {
	victim := w.Issue(bed.TLA1, bed.AsClient)
	victim.PrivateKey = w.Issue("urn:tlagate:cab1:tla:thief", bed.AsClient).PrivateKey
	return bed.Showing(victim)
}

// TestG5RSA2048EndsIn2031: the judge's clock decides when RSA-2048 ends.
func TestG5RSA2048EndsIn2031(t *testing.T) {
	w := bed.New(t)
	peer := w.Issue(bed.TLA1, bed.AsClient, pkitest.RSA(2048))
	_, err := w.Open().Verify(pkitest.Chain(peer), trust.Want{Usage: bed.AsClient})
	require.NoError(t, err)
	w.Config.Clock = func() time.Time { return time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC) }
	_, err = w.Open().Verify(pkitest.Chain(peer), trust.Want{Usage: bed.AsClient})
	require.Equal(t, pki.WeakKey, pki.ReasonOf(err), "%v", err)
}
