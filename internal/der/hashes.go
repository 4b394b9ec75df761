package der

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509/pkix"
	"encoding/asn1"
)

// Hashes are those that a CertID may use, in a fixed order. SHA-1 only names an issuer there; no signature rests on it.
var Hashes = []crypto.Hash{crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512}

var hashOIDs = map[crypto.Hash]asn1.ObjectIdentifier{
	crypto.SHA1:   {1, 3, 14, 3, 2, 26},
	crypto.SHA256: {2, 16, 840, 1, 101, 3, 4, 2, 1},
	crypto.SHA384: {2, 16, 840, 1, 101, 3, 4, 2, 2},
	crypto.SHA512: {2, 16, 840, 1, 101, 3, 4, 2, 3},
}

// HashOID returns the identifier of one of Hashes.
func HashOID(h crypto.Hash) asn1.ObjectIdentifier { return hashOIDs[h] }

// HashOf returns the one of Hashes that has this identifier; 0 = none.
func HashOf(id asn1.ObjectIdentifier) crypto.Hash {
	for _, h := range Hashes {
		if hashOIDs[h].Equal(id) {
			return h
		}
	}
	return 0
}

// SignatureFor returns the AlgorithmIdentifier, and the hash, for what is signed with a key here: ECDSA with SHA-384
// for P-384 and SHA-256 for other curves, RSA (PKCS #1, version 1.5) with SHA-256 (RFC 5758 section 3.2, RFC 4055
// section 5). Other kinds of keys are not ok.
func SignatureFor(key crypto.PublicKey) (algorithm []byte, hash crypto.Hash, ok bool) {
	id, hash := pkix.AlgorithmIdentifier{Algorithm: ECDSAWithSHA256}, crypto.SHA256
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P384() {
			id.Algorithm, hash = ECDSAWithSHA384, crypto.SHA384
		}
	case *rsa.PublicKey:
		id.Algorithm, id.Parameters = SHA256WithRSA, asn1.NullRawValue
	default:
		return nil, 0, false
	}
	algorithm, err := asn1.Marshal(id)
	return algorithm, hash, err == nil
}
