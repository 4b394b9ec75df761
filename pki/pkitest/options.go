package pkitest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net/url"
	"testing"
	"time"
)

// Option changes a certificate before it is made; most options are defects.
type Option func(t testing.TB, s *spec)

// Template changes any field of the template; SubjectKeyId is set afterwards.
func Template(f func(*x509.Certificate)) Option {
	return func(_ testing.TB, s *spec) { f(s.tmpl) }
}

// Mutate changes the encoded content and signs it again (issuers with P-256 or RSA keys and SHA-256).
func Mutate(f func(*TBS)) Option {
	return func(_ testing.TB, s *spec) { s.mutate = f }
}

// Key makes the certificate for this key.
func Key(key crypto.Signer) Option {
	return func(_ testing.TB, s *spec) { s.key = key }
}

// PublicKey certifies a key that the returned private key does not match, for a peer that cannot prove its key and for
// odd keys.
func PublicKey(pub crypto.PublicKey) Option {
	return func(_ testing.TB, s *spec) { s.pub = pub }
}

// RSA makes an RSA key of so many bits (≥ 1024).
func RSA(bits int) Option {
	return func(t testing.TB, s *spec) { s.key = newRSA(t, bits) }
}

// SmallExponent certifies an RSA key with e = 3.
func SmallExponent() Option {
	return func(t testing.TB, s *spec) {
		s.pub = &rsa.PublicKey{N: newRSA(t, 2048).(*rsa.PrivateKey).N, E: 3}
	}
}

// P224 chooses the curve of the key.
func P224() Option { return curve(elliptic.P224()) }

// P384 chooses the curve of the key.
func P384() Option { return curve(elliptic.P384()) }

// P521 chooses the curve of the key.
func P521() Option { return curve(elliptic.P521()) }

func curve(c elliptic.Curve) Option {
	return func(t testing.TB, s *spec) { s.key = newKey(t, c) }
}

// SHA1 makes the issuer sign the certificate with SHA-1, by ECDSA or RSA as its key is.
func SHA1(issuer *CA) Option {
	alg := x509.SHA1WithRSA
	if _, ok := issuer.Key.(*ecdsa.PrivateKey); ok {
		alg = x509.ECDSAWithSHA1
	}
	return Template(func(c *x509.Certificate) { c.SignatureAlgorithm = alg })
}

// SelfSigned makes the certificate vouch for itself.
func SelfSigned() Option {
	return func(_ testing.TB, s *spec) { s.selfSigned = true }
}

// Soon is how long something lasts if a test waits for its end: long enough for all that must happen before, even on a
// slow machine.
const Soon = 10 * time.Second

// EndsSoon makes a certificate that ends Soon from now.
func EndsSoon() Option { return Valid(-time.Hour, Soon) }

// Valid sets the dates, counted from now.
func Valid(from, to time.Duration) Option {
	return Template(func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Now().Add(from), time.Now().Add(to)
	})
}

// Expired makes a certificate that ended an hour ago.
func Expired() Option { return Valid(-48*time.Hour, -time.Hour) }

// NotYetValid makes a certificate that begins in an hour.
func NotYetValid() Option { return Valid(time.Hour, 48*time.Hour) }

// EKU replaces the extended key usages.
func EKU(usages ...x509.ExtKeyUsage) Option {
	return Template(func(c *x509.Certificate) { c.ExtKeyUsage = usages })
}

// AnyEKU adds anyExtendedKeyUsage to the wanted one.
func AnyEKU() Option {
	return Template(func(c *x509.Certificate) { c.ExtKeyUsage = append(c.ExtKeyUsage, x509.ExtKeyUsageAny) })
}

// KeyUsage replaces the key usage.
func KeyUsage(u x509.KeyUsage) Option {
	return Template(func(c *x509.Certificate) { c.KeyUsage = u })
}

// NoDigitalSignature leaves keyEncipherment only.
func NoDigitalSignature() Option { return KeyUsage(x509.KeyUsageKeyEncipherment) }

// NotCA makes an issuer that is no CA by its BasicConstraints.
func NotCA() Option {
	return Template(func(c *x509.Certificate) { c.IsCA, c.MaxPathLen, c.MaxPathLenZero = false, 0, false })
}

// PathLen sets pathLen of a CA.
func PathLen(n int) Option {
	return Template(func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = n, n == 0 })
}

// NoPolicy leaves out certificatePolicies.
func NoPolicy() Option {
	return Template(func(c *x509.Certificate) { c.Policies = nil })
}

// UnknownCritical adds a critical extension that no program knows.
func UnknownCritical() Option {
	return Template(func(c *x509.Certificate) {
		c.ExtraExtensions = append(c.ExtraExtensions, unknownExtension(true))
	})
}

// DNS sets the DNS names.
func DNS(names ...string) Option {
	return Template(func(c *x509.Certificate) { c.DNSNames = names })
}

// URIs replaces the URI names.
func URIs(uris ...string) Option {
	return func(t testing.TB, s *spec) {
		s.tmpl.URIs = nil
		for _, raw := range uris {
			u, err := url.Parse(raw)
			must(t, err)
			s.tmpl.URIs = append(s.tmpl.URIs, u)
		}
	}
}

// CRLDP sets the CRL distribution points.
func CRLDP(urls ...string) Option {
	return Template(func(c *x509.Certificate) { c.CRLDistributionPoints = urls })
}

// Serial sets the serial number, to any value at all.
func Serial(n *big.Int) Option { return Mutate(func(t *TBS) { t.Serial = n }) }

// V1 makes an X.509 v1 certificate: no extensions.
func V1() Option { return Mutate(func(t *TBS) { t.Version, t.Extensions = 0, nil }) }

func unknownExtension(critical bool) pkix.Extension {
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 999, 77}, Critical: critical, Value: []byte{5, 0}}
}
