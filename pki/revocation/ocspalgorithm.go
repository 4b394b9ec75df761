package revocation

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/asn1"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"tlagate/internal/der"
)

// plainAlgorithms are the signature algorithms whose identifier has no parameters, or NULL. Those that are not in the
// allowlist are here only so that a refusal can name them.
var plainAlgorithms = []struct {
	oid asn1.ObjectIdentifier
	alg x509.SignatureAlgorithm
}{
	{der.ECDSAWithSHA256, x509.ECDSAWithSHA256},
	{der.ECDSAWithSHA384, x509.ECDSAWithSHA384},
	{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 4}, x509.ECDSAWithSHA512},
	{der.SHA256WithRSA, x509.SHA256WithRSA},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 12}, x509.SHA384WithRSA},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 13}, x509.SHA512WithRSA},
	{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 1}, x509.ECDSAWithSHA1},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 5}, x509.SHA1WithRSA},
}

var (
	oidRSAPSS = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}
	oidMGF1   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 8}
)

// pssParameters are the only RSA-PSS parameters in use (RFC 8017 appendix A.2.3): one hash throughout, and a salt as
// long as the hash.
var pssParameters = map[x509.SignatureAlgorithm][]byte{
	x509.SHA256WithRSAPSS: pss(crypto.SHA256),
	x509.SHA384WithRSAPSS: pss(crypto.SHA384),
	x509.SHA512WithRSAPSS: pss(crypto.SHA512),
}

// signatureAlgorithm reads the content of an AlgorithmIdentifier.
func signatureAlgorithm(in cryptobyte.String) x509.SignatureAlgorithm {
	var oid asn1.ObjectIdentifier
	if !in.ReadASN1ObjectIdentifier(&oid) {
		return x509.UnknownSignatureAlgorithm
	}
	if oid.Equal(oidRSAPSS) {
		return pssAlgorithm(in)
	}
	for _, known := range plainAlgorithms {
		if known.oid.Equal(oid) && absentOrNull(in) {
			return known.alg
		}
	}
	return x509.UnknownSignatureAlgorithm
}

func pssAlgorithm(parameters []byte) x509.SignatureAlgorithm {
	for alg, der := range pssParameters {
		if bytes.Equal(der, parameters) {
			return alg
		}
	}
	return x509.UnknownSignatureAlgorithm
}

func pss(hash crypto.Hash) []byte {
	hashID := func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(der.HashOID(hash))
			b.AddASN1NULL()
		})
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(der.Context0, hashID)
		b.AddASN1(der.Context1, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(oidMGF1)
				hashID(b)
			})
		})
		b.AddASN1(der.Context2, func(b *cryptobyte.Builder) { b.AddASN1Int64(int64(hash.Size())) })
	})
	return b.BytesOrPanic()
}

func absentOrNull(parameters cryptobyte.String) bool {
	return len(parameters) == 0 || bytes.Equal(parameters, []byte{5, 0})
}
