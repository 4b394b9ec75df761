package ocsp

import (
	"bytes"
	"crypto"

	// a certID's hash names an issuer and protects nothing: most clients use SHA-1 (RFC 5019, 2.1.1)
	_ "crypto/sha1"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"crypto/x509"

	"tlagate/internal/der"
)

// issuer recognises the certIDs of one CA.
type issuer struct {
	cert  *x509.Certificate
	names []issuerName
}

// issuerName is how a certID of one hash algorithm names the CA.
type issuerName struct{ oid, name, key []byte }

func newIssuer(cert *x509.Certificate) (*issuer, error) {
	key, err := der.PublicKeyBits(cert)
	if err != nil {
		return nil, err
	}
	out := &issuer{cert: cert}
	for _, h := range der.Hashes {
		out.names = append(out.names, issuerName{der.OID(der.HashOID(h)), sum(h, cert.RawSubject), sum(h, key)})
	}
	return out, nil
}

// issued reports whether a certID names this CA, by name and by key.
func (i *issuer) issued(id *certID) bool {
	for _, n := range i.names {
		if bytes.Equal(n.oid, id.Hash) {
			return !id.unusual && bytes.Equal(n.name, id.Name) && bytes.Equal(n.key, id.Key)
		}
	}
	return false
}

func sum(hash crypto.Hash, data []byte) []byte {
	h := hash.New()
	h.Write(data)
	return h.Sum(nil)
}
