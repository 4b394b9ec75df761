package bundle

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"tlagate/internal/der"
	"tlagate/internal/stamp"
	"tlagate/pki"
)

// Sign makes a bundle of content, signed with a certificate of the profile bundle, followed by its CAs, and its key.
// What devices would refuse of content or certificate is refused here.
func Sign(content *Content, by *tls.Certificate, now time.Time) ([]byte, error) {
	text, err := content.marshal()
	if err != nil {
		return nil, err
	}
	return SignContent(text, by, now)
}

// SignContent signs what is no bundle in the form of one, by whoever may sign bundles.
func SignContent(content []byte, by *tls.Certificate, now time.Time) ([]byte, error) {
	if len(content) > maxContent {
		return nil, fmt.Errorf("cannot sign more than %d octets", maxContent)
	}
	if err := maySign(by, now); err != nil {
		return nil, fmt.Errorf("cannot sign with this certificate: %w", err)
	}
	return seal(content, by, now)
}

// maySign judges by what a certificate says of itself; devices and gateways judge its chain.
func maySign(by *tls.Certificate, now time.Time) error {
	leaf, err := leafOf(by)
	if err != nil {
		return err
	}
	id, err := pki.IdentityOf(leaf)
	switch {
	case err != nil:
		return err
	case id.Role != pki.RoleAdmin || !slices.Equal(leaf.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}):
		return errors.New("it is none of the profile bundle (role admin, codeSigning); make one: tla-pki issue " +
			"--profile bundle")
	case now.Before(leaf.NotBefore) || now.After(leaf.NotAfter):
		return fmt.Errorf("it is good from %s until %s", stamp.Instant(leaf.NotBefore), stamp.Instant(leaf.NotAfter))
	}
	return nil
}

func leafOf(c *tls.Certificate) (*x509.Certificate, error) {
	if c == nil || len(c.Certificate) == 0 {
		return nil, errors.New("there is no certificate")
	}
	if c.Leaf != nil {
		return c.Leaf, nil
	}
	return x509.ParseCertificate(c.Certificate[0])
}

// seal makes a CMS SignedData of the form that OpenSigned accepts.
func seal(content []byte, by *tls.Certificate, now time.Time) ([]byte, error) {
	leaf, err := leafOf(by)
	if err != nil {
		return nil, err
	}
	key, ok := by.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, errors.New("cannot sign: the key is not at hand")
	}
	alg, err := algorithmFor(leaf.PublicKey)
	if err != nil {
		return nil, err
	}
	attributes := signedAttributes(sum(alg.hash, content), now)
	signature, err := alg.sign(key, setOf(cbasn1.SET, attributes))
	if err != nil {
		return nil, fmt.Errorf("cannot sign: %w", err)
	}
	return encode(content, by.Certificate, leaf, alg, attributes, signature)
}

func (a *algorithm) sign(key crypto.Signer, b []byte) ([]byte, error) {
	return key.Sign(rand.Reader, sum(a.hash, b), a.options())
}

func (a *algorithm) options() crypto.SignerOpts {
	if a.pss {
		return pssOptions
	}
	return a.hash
}

func signedAttributes(digest []byte, now time.Time) [][]byte {
	return [][]byte{
		attribute(oidContentType, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(der.Data) }),
		attribute(oidSigningTime, func(b *cryptobyte.Builder) { b.AddASN1UTCTime(now.UTC()) }),
		attribute(oidMessageDigest, func(b *cryptobyte.Builder) { b.AddASN1OctetString(digest) }),
	}
}

func attribute(kind asn1.ObjectIdentifier, value func(*cryptobyte.Builder)) []byte {
	var b cryptobyte.Builder
	der.AddAttribute(&b, kind, value)
	return b.BytesOrPanic()
}

// setOf encodes a SET OF in DER: its elements in order.
func setOf(tag cbasn1.Tag, elements [][]byte) []byte {
	sorted := slices.SortedFunc(slices.Values(elements), bytes.Compare)
	var b cryptobyte.Builder
	b.AddASN1(tag, func(b *cryptobyte.Builder) { b.AddBytes(bytes.Join(sorted, nil)) })
	return b.BytesOrPanic()
}

// encode mirrors RFC 5652, sections 3 and 5.1.
func encode(content []byte, chain [][]byte, leaf *x509.Certificate, alg *algorithm, attributes [][]byte,
	signature []byte) ([]byte, error) {
	var b cryptobyte.Builder
	der.AddSignedData(&b, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1)
		b.AddBytes(setOf(cbasn1.SET, [][]byte{alg.digest()}))
		addContent(b, content)
		b.AddBytes(setOf(der.Context0, chain))
		b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) { addSigner(b, leaf, alg, attributes, signature) })
	})
	return b.Bytes()
}

func addContent(b *cryptobyte.Builder, content []byte) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(der.Data)
		b.AddASN1(der.Context0, func(b *cryptobyte.Builder) { b.AddASN1OctetString(content) })
	})
}

func addSigner(b *cryptobyte.Builder, leaf *x509.Certificate, alg *algorithm, attributes [][]byte, signature []byte) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1)
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddBytes(leaf.RawIssuer)
			b.AddASN1BigInt(leaf.SerialNumber)
		})
		b.AddBytes(alg.digest())
		b.AddBytes(setOf(der.Context0, attributes))
		b.AddBytes(alg.der)
		b.AddASN1OctetString(signature)
	})
}
