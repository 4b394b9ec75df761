package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"tlagate/internal/algorithms"
)

// The allowlist (annex code G5; ANSSI TLS guide v1.2, RGS B1). Everything that builds a tls.Config or judges a
// certificate or a CRL takes it from here; uses.go describes it.
var (
	tlsVersion = uint16(tls.VersionTLS13)

	// crypto/tls does not let TLS 1.3 suites be chosen; a test keeps this list equal to Go's own.
	tlsSuites = []uint16{tls.TLS_AES_256_GCM_SHA384, tls.TLS_AES_128_GCM_SHA256, tls.TLS_CHACHA20_POLY1305_SHA256}

	// A set: crypto/tls decides the order.
	tlsGroups = []tls.CurveID{tls.X25519MLKEM768, tls.SecP256r1MLKEM768, tls.CurveP256, tls.CurveP384, tls.X25519}

	// Of them all, what crypto: rgs takes, and what only it takes: the letter of RGS B1.
	letterSuites = []uint16{tls.TLS_AES_256_GCM_SHA384, tls.TLS_AES_128_GCM_SHA256}
	letterGroups = []tls.CurveID{tls.SecP256r1MLKEM768, tls.SecP384r1MLKEM1024, tls.CurveP256, tls.CurveP384}

	// Of the groups, those that make a hello longer than one segment; see Hybrids.
	tlsHybrids = []tls.CurveID{tls.X25519MLKEM768, tls.SecP256r1MLKEM768, tls.SecP384r1MLKEM1024}

	// Implied by the key kinds: TLS 1.3 ties each of these to one curve, or to RSA-PSS.
	tlsSignatures = []tls.SignatureScheme{
		tls.ECDSAWithP256AndSHA256, tls.ECDSAWithP384AndSHA384, tls.PSSWithSHA256, tls.PSSWithSHA384, tls.PSSWithSHA512,
	}

	// Of certificates and CRLs.
	signatures = []x509.SignatureAlgorithm{
		x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512,
		x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA,
		x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS,
	}

	curves = []elliptic.Curve{elliptic.P256(), elliptic.P384()}
)

// RSA limits. Between minRSA and ownRSA a key is accepted until rsa2048End.
const (
	minRSA      = algorithms.LeastRSA // bits, what a foreign CA (IGC-Santé) may use
	ownRSA      = 3072                // bits, what our own CA issues
	maxRSA      = 8192                // bits, as in crypto/tls: verifying longer ones costs too much
	minExponent = 65537
)

var rsa2048End = time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)

// CheckKey returns an error that says why a certificate's public key is outside the allowlist; nil when it is inside.
func CheckKey(pub any, now time.Time) error {
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		if !slices.Contains(curves, k.Curve) {
			return fmt.Errorf("ECDSA %s key, want P-256 or P-384", k.Params().Name)
		}
		return nil
	case *rsa.PublicKey:
		return checkRSA(k, now)
	}
	return fmt.Errorf("key of kind %T, want ECDSA or RSA", pub)
}

func checkRSA(k *rsa.PublicKey, now time.Time) error {
	bits := k.N.BitLen()
	switch {
	case bits < minRSA || bits > maxRSA:
		return fmt.Errorf("RSA key of %d bits, want %d to %d", bits, minRSA, maxRSA)
	case bits < ownRSA && !now.Before(rsa2048End):
		return fmt.Errorf("RSA key of %d bits, want at least %d since the end of %d", bits, ownRSA, rsa2048End.Year()-1)
	case k.E < minExponent || k.E%2 == 0:
		return fmt.Errorf("RSA exponent %d, want an odd one of at least %d", k.E, minExponent)
	}
	return nil
}

// CheckSignatureAlgorithm returns an error that says why a signature algorithm is outside the allowlist; nil when it is
// inside.
func CheckSignatureAlgorithm(alg x509.SignatureAlgorithm) error {
	if !slices.Contains(signatures, alg) {
		return fmt.Errorf("signed with %v, want SHA-2 with ECDSA or RSA", alg)
	}
	return nil
}
