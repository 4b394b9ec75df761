package ocsp

import (
	"bytes"
	"crypto"
	// a certID's hash names an issuer, it protects nothing: SHA-1 is what most clients use (RFC 5019, 2.1.1)
	_ "crypto/sha1"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"crypto/x509"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// hashes are those of a certID: the contents of their OIDs.
var hashes = []struct {
	oid  []byte
	hash crypto.Hash
}{
	{[]byte{0x2b, 14, 3, 2, 26}, crypto.SHA1},
	{[]byte{0x60, 0x86, 0x48, 1, 101, 3, 4, 2, 1}, crypto.SHA256},
	{[]byte{0x60, 0x86, 0x48, 1, 101, 3, 4, 2, 2}, crypto.SHA384},
	{[]byte{0x60, 0x86, 0x48, 1, 101, 3, 4, 2, 3}, crypto.SHA512},
}

// issuer recognises the certIDs of one CA.
type issuer struct {
	cert  *x509.Certificate
	names []issuerName
}

// issuerName is how a certID of one hash algorithm names the CA.
type issuerName struct{ oid, name, key []byte }

func newIssuer(cert *x509.Certificate) (*issuer, error) {
	key, err := publicKeyBits(cert)
	if err != nil {
		return nil, err
	}
	out := &issuer{cert: cert}
	for _, h := range hashes {
		out.names = append(out.names, issuerName{h.oid, sum(h.hash, cert.RawSubject), sum(h.hash, key)})
	}
	return out, nil
}

// issued reports whether a certID names this CA: by name and by key.
func (i *issuer) issued(id *certID) bool {
	for _, n := range i.names {
		if bytes.Equal(n.oid, id.hash) {
			return !id.unusual && bytes.Equal(n.name, id.name) && bytes.Equal(n.key, id.key)
		}
	}
	return false
}

func sum(hash crypto.Hash, data []byte) []byte {
	h := hash.New()
	h.Write(data)
	return h.Sum(nil)
}

// publicKeyBits returns the content of subjectPublicKey, which is what is hashed (RFC 6960, 4.1.1).
func publicKeyBits(cert *x509.Certificate) ([]byte, error) {
	in := cryptobyte.String(cert.RawSubjectPublicKeyInfo)
	var fields cryptobyte.String
	var bits []byte
	if !in.ReadASN1(&fields, asn1.SEQUENCE) || !fields.SkipASN1(asn1.SEQUENCE) ||
		!fields.ReadASN1BitStringAsBytes(&bits) {
		return nil, fmt.Errorf("cannot read the public key of %q", cert.Subject.CommonName)
	}
	return bits, nil
}
