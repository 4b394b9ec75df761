package bundle

import (
	"crypto"
	"crypto/tls"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"tlagate/internal/der"
)

// Exported for tests.
var (
	Prepare      = prepare
	ParseContent = parseContent
	Seal         = seal
)

// Opened returns the content of a CMS whose form and signature are good.
func Opened(der []byte) ([]byte, error) {
	s, err := OpenSigned(der)
	if err != nil {
		return nil, err
	}
	return s.Content, nil
}

// Attributes of SealWith: contentType, signingTime, messageDigest, and contentType with another value.
const (
	ContentType = iota
	SigningTime
	MessageDigest
	OtherType
)

// SealWith is seal with just these signed attributes.
func SealWith(content []byte, by *tls.Certificate, which ...int) ([]byte, error) {
	leaf, err := leafOf(by)
	if err != nil {
		return nil, err
	}
	alg, err := algorithmFor(leaf.PublicKey)
	if err != nil {
		return nil, err
	}
	all := append(signedAttributes(sum(alg.hash, content), time.Now()),
		attribute(oidContentType, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(der.SignedData) }))
	var attributes [][]byte
	for _, i := range which {
		attributes = append(attributes, all[i])
	}
	signature, err := alg.sign(by.PrivateKey.(crypto.Signer), setOf(cbasn1.SET, attributes))
	if err != nil {
		return nil, err
	}
	return encode(content, by.Certificate, leaf, alg, attributes, signature)
}
