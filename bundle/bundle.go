package bundle

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"

	"tlagate/internal/files"
	"tlagate/pki"
	"tlagate/pki/trust"
)

// Names of the request that a gateway answers (docs/bundle.md, section 4).
const (
	Path         = "/v1/bundle"
	HeaderBundle = "Tlagate-Bundle" // the version that the client has; in an answer, the lowest that is let in
	HeaderOCSP   = "OCSP-Response"  // :BASE64:, once for each
	MediaType    = "application/pkcs7-mime"
)

// Want is what the signer of a bundle must be; such a certificate is accepted for nothing else.
var Want = trust.Want{Usage: x509.ExtKeyUsageCodeSigning, Roles: []pki.Role{pki.RoleAdmin}}

// Bundle is a bundle whose form and signature are good. That its signer may sign it has not been checked.
type Bundle struct {
	*Content
	Chain []*x509.Certificate // the signer's certificate first
	DER   []byte
}

// Read reads a bundle and checks its form and signature, but not its signer.
func Read(der []byte) (*Bundle, error) {
	s, err := OpenSigned(der)
	if err != nil {
		return nil, err
	}
	c, err := parseContent(s.Content)
	if err != nil {
		return nil, err
	}
	return &Bundle{c, s.Chain, der}, nil
}

// ReadFile reads a bundle as Read does.
func ReadFile(file string) (*Bundle, error) {
	der, err := files.Read(file, MaxSigned)
	if err != nil {
		return nil, err
	}
	return Read(der)
}

// ETag names exactly this bundle (RFC 9110, 8.8.3).
func (b *Bundle) ETag() string { return fmt.Sprintf(`"%d-%s"`, b.Version, digest(b.DER)) }

func digest(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}
