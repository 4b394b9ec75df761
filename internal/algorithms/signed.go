package algorithms

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"fmt"
	"math/big"
)

// LeastRSA is the shortest modulus, in bits, that package pki accepts: a foreign CA's, and not for ever.
const LeastRSA = 2048

// References that many uses share.
var (
	ByECDSA = []string{"FIPS 186-5", B1("2.2.3, RègleECp-2"), PG083("RègleCourbeElliptiqueGFp")}
	ByRSA   = []string{"RFC 8017", B1("2.2.3, RègleFact-1, RègleFact-2"), PG083("RègleFactorisation"), "SP 800-57"}
	BySHA2  = []string{"FIPS 180-4", B1("RègleHash-2"), PG083("RègleHachage")}
)

// Probes returns a public key of each kind that may sign, without private keys. A package finds out what it signs with
// by passing them to its own choice of algorithm.
func Probes(modulus int) []crypto.PublicKey {
	n := new(big.Int).Lsh(big.NewInt(1), uint(modulus-1))
	return []crypto.PublicKey{
		&ecdsa.PublicKey{Curve: elliptic.P256()}, &ecdsa.PublicKey{Curve: elliptic.P384()},
		&rsa.PublicKey{N: n.SetBit(n, 0, 1), E: 65537},
	}
}

// Signed describes a signature by a key of a probe's kind, made with opts.
func Signed(k Kind, probe crypto.PublicKey, opts crypto.SignerOpts, purpose Text) Use {
	hash := opts.HashFunc()
	if key, ok := probe.(*ecdsa.PublicKey); ok {
		return Use{Kind: k, Name: "ECDSA " + key.Curve.Params().Name + ", " + hash.String(), By: ByECDSA, For: purpose,
			Bits: min(Of(key.Curve), hash.Size()*4)}
	}
	modulus := probe.(*rsa.PublicKey).N.BitLen()
	padding := "RSA PKCS#1 v1.5"
	if _, ok := opts.(*rsa.PSSOptions); ok {
		padding = "RSA-PSS"
	}
	return Use{Kind: k, Name: fmt.Sprintf("%s ≥ %d, %s", padding, modulus, hash), By: ByRSA, For: purpose,
		Bits: RSA(modulus)}
}

// Hash describes a hash that is used by itself.
func Hash(h crypto.Hash, purpose Text) Use {
	return Use{Kind: Digest, Name: h.String(), Bits: h.Size() * 4, By: BySHA2, For: purpose}
}

// Random describes random octets, which all come from crypto/rand: the kernel's generator, by getrandom(2).
func Random(octets int, purpose Text) Use {
	return Use{Kind: Secret, Name: fmt.Sprintf("crypto/rand, %d octets", octets), Bits: 8 * octets, For: purpose,
		By: []string{"getrandom(2)", B1("2.4"), PG083("RègleArchiGénAléa")}}
}
