// Package pkitest makes throw-away CAs, certificates, CRLs and OCSP answers for tests, good ones and ones with every
// defect that tlagate must refuse. Nothing that it makes is fit for use.
//
// Identities are URNs (pki.Identity's String), so that it imports none of the packages that it tests.
package pkitest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"
)

// Policy is the certificate policy of everything made here (2.999 is for examples).
var Policy = mustOID("2.999.1.1")

// PKI is a root and an issuing CA below it.
type PKI struct {
	Root    *CA
	Issuing *CA
	t       testing.TB
}

// New makes a root and an issuing CA, P-256, named "TEST tlagate root" and "TEST tlagate issuing".
func New(t testing.TB) *PKI {
	t.Helper()
	return NewNamed(t, "TEST tlagate")
}

// NewNamed is New with other names: NAME root, NAME issuing.
func NewNamed(t testing.TB, name string) *PKI {
	t.Helper()
	root := NewRoot(t, name+" root")
	return &PKI{Root: root, Issuing: root.Sub(name + " issuing"), t: t}
}

// CA is a certification authority with its key and the certificates that it has revoked.
type CA struct {
	Cert *x509.Certificate
	Key  crypto.Signer

	t       testing.TB
	parent  *CA // nil for a root
	mu      sync.Mutex
	number  int64 // of the last CRL
	revoked []x509.RevocationListEntry
	ocsp    *tls.Certificate // signs its OCSP answers; nil = not made yet
}

// NewRoot makes a self-signed CA.
func NewRoot(t testing.TB, name string, opts ...Option) *CA {
	t.Helper()
	s := caSpec(name, 10*year)
	s.tmpl.MaxPathLen = -1
	return newCA(t, nil, s, opts)
}

// Sub makes a CA below ca, with pathLen 0.
func (ca *CA) Sub(name string, opts ...Option) *CA {
	ca.t.Helper()
	s := caSpec(name, 5*year)
	s.tmpl.MaxPathLenZero = true
	return newCA(ca.t, ca, s, opts)
}

func newCA(t testing.TB, parent *CA, s *spec, opts []Option) *CA {
	t.Helper()
	cert, key := s.make(t, parent, opts)
	return &CA{Cert: cert, Key: key, t: t, parent: parent}
}

// Issue makes the issuing CA issue a component's certificate; the chain has the leaf and its CAs without the root.
func (p *PKI) Issue(identity string, usage x509.ExtKeyUsage, opts ...Option) tls.Certificate {
	p.t.Helper()
	return p.Issuing.Issue(identity, usage, opts...)
}

// Issue is PKI.Issue for any CA.
func (ca *CA) Issue(identity string, usage x509.ExtKeyUsage, opts ...Option) tls.Certificate {
	ca.t.Helper()
	cert, key := leafSpec(ca.t, identity, usage).make(ca.t, ca, opts)
	chain := tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
	if cert.CheckSignatureFrom(cert) == nil || slices.Equal(cert.RawSubject, cert.RawIssuer) {
		return chain
	}
	for up := ca; up.parent != nil; up = up.parent {
		chain.Certificate = append(chain.Certificate, up.Cert.Raw)
	}
	return chain
}

// Chain returns the parsed certificates of a tls.Certificate.
func Chain(c tls.Certificate) []*x509.Certificate {
	var chain []*x509.Certificate
	for _, der := range c.Certificate {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			panic(err)
		}
		chain = append(chain, cert)
	}
	return chain
}

const (
	day  = 24 * time.Hour
	year = 365 * day
)

// spec is a certificate to be made.
type spec struct {
	tmpl       *x509.Certificate
	key        crypto.Signer // nil = new P-256
	pub        crypto.PublicKey
	selfSigned bool
	mutate     func(*TBS)
}

func caSpec(name string, life time.Duration) *spec {
	s := baseSpec(name, life)
	s.tmpl.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	s.tmpl.IsCA = true
	return s
}

func leafSpec(t testing.TB, identity string, usage x509.ExtKeyUsage) *spec {
	s := baseSpec(identity, 398*day)
	s.tmpl.KeyUsage = x509.KeyUsageDigitalSignature
	s.tmpl.ExtKeyUsage = []x509.ExtKeyUsage{usage}
	if identity != "" {
		u, err := url.Parse(identity)
		must(t, err)
		s.tmpl.URIs = []*url.URL{u}
	}
	return s
}

func baseSpec(name string, life time.Duration) *spec {
	now := time.Now().Truncate(time.Second)
	return &spec{tmpl: &x509.Certificate{
		SerialNumber:          randomSerial(),
		Subject:               pkix.Name{Organization: []string{"tlagate tests"}, CommonName: name},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.Add(life),
		BasicConstraintsValid: true,
		Policies:              []x509.OID{Policy},
	}}
}

func (s *spec) make(t testing.TB, issuer *CA, opts []Option) (*x509.Certificate, crypto.Signer) {
	t.Helper()
	for _, o := range opts {
		o(t, s)
	}
	if s.key == nil {
		s.key = newKey(t, elliptic.P256())
	}
	if s.pub == nil {
		s.pub = s.key.Public()
	}
	parent, signer := s.tmpl, s.key
	s.tmpl.SubjectKeyId = keyID(t, s.pub)
	if issuer != nil && !s.selfSigned {
		parent, signer = issuer.Cert, issuer.Key
	}
	der, err := x509.CreateCertificate(rand.Reader, s.tmpl, parent, s.pub, signer)
	must(t, err)
	if s.mutate != nil {
		der = remake(t, der, signer, s.mutate)
	}
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	return cert, s.key
}

// TBS is a certificate's content, for Mutate to spoil. It mirrors RFC 5280 section 4.1.
type TBS struct {
	Version    int `asn1:"optional,explicit,default:0,tag:0"`
	Serial     *big.Int
	Algorithm  pkix.AlgorithmIdentifier
	Issuer     asn1.RawValue
	Validity   asn1.RawValue
	Subject    asn1.RawValue
	Key        asn1.RawValue
	Extensions []pkix.Extension `asn1:"omitempty,optional,explicit,tag:3"`
}

type signed struct {
	TBS       asn1.RawValue
	Algorithm pkix.AlgorithmIdentifier
	Signature asn1.BitString
}

// remake spoils a certificate's content and signs it again.
func remake(t testing.TB, der []byte, signer crypto.Signer, spoil func(*TBS)) []byte {
	t.Helper()
	var outer signed
	var tbs TBS
	unmarshal(t, der, &outer)
	unmarshal(t, outer.TBS.FullBytes, &tbs)
	spoil(&tbs)
	return sign(t, marshal(t, tbs), outer.Algorithm, signer)
}

// sign signs DER content with SHA-256; alg must name the matching algorithm.
func sign(t testing.TB, tbs []byte, alg pkix.AlgorithmIdentifier, signer crypto.Signer) []byte {
	t.Helper()
	sig := signBits(t, tbs, signer, false)
	return marshal(t, signed{asn1.RawValue{FullBytes: tbs}, alg, asn1.BitString{Bytes: sig, BitLength: 8 * len(sig)}})
}

func signBits(t testing.TB, tbs []byte, signer crypto.Signer, weak bool) []byte {
	t.Helper()
	hash := crypto.SHA256
	if weak {
		hash = crypto.SHA1
	}
	sig, err := signer.Sign(rand.Reader, sum(hash, tbs), hash)
	must(t, err)
	return sig
}

func newKey(t testing.TB, curve elliptic.Curve) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	must(t, err)
	return key
}

func newRSA(t testing.TB, bits int) crypto.Signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	must(t, err)
	return key
}

func keyID(t testing.TB, pub crypto.PublicKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(pub)
	must(t, err)
	sum := sha256.Sum256(der)
	return sum[:20]
}

func randomSerial() *big.Int {
	b := make([]byte, 16)
	rand.Read(b)
	b[0] = b[0]&0x7f | 0x40
	return new(big.Int).SetBytes(b)
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	der, err := asn1.Marshal(v)
	must(t, err)
	return der
}

func unmarshal(t testing.TB, der []byte, v any) {
	t.Helper()
	_, err := asn1.Unmarshal(der, v)
	must(t, err)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func mustOID(s string) x509.OID {
	oid, err := x509.ParseOID(s)
	if err != nil {
		panic(err)
	}
	return oid
}
