package ocsp

import (
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"tlagate/internal/der"
)

// The answers that are not signed (RFC 6960, 4.2.1): OCSPResponseStatus and nothing else.
var (
	malformedRequest = errorAnswer(1)
	internalError    = errorAnswer(2)
	tryLater         = errorAnswer(3)
	unauthorized     = errorAnswer(6)
)

func errorAnswer(status byte) []byte { return []byte{0x30, 3, 0x0a, 1, status} }

// single is a SingleResponse.
type single struct {
	id     []byte // the certID, as asked
	status status
	until  time.Time // nextUpdate
}

// responseData encodes what is signed. All its statements are of one moment: producedAt is thisUpdate.
func responseData(keyHash []byte, at time.Time, answers []single, nonce []byte) ([]byte, error) {
	b := cryptobyte.NewBuilder(make([]byte, 0, 512))
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(der.Context2, func(b *cryptobyte.Builder) { b.AddASN1OctetString(keyHash) })
		b.AddASN1GeneralizedTime(at)
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, a := range answers {
				a.add(b, at)
			}
		})
		if nonce != nil {
			addNonce(b, nonce)
		}
	})
	return b.Bytes()
}

func (s single) add(b *cryptobyte.Builder, at time.Time) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(s.id)
		s.status.add(b)
		b.AddASN1GeneralizedTime(at)
		b.AddASN1(der.Context0, func(b *cryptobyte.Builder) { b.AddASN1GeneralizedTime(s.until) })
	})
}

// add encodes CertStatus. The reason unspecified is left out, as in a CRL (RFC 5280, 5.3.1).
func (s status) add(b *cryptobyte.Builder) {
	switch s.kind {
	case good:
		b.AddASN1(asn1.Tag(0).ContextSpecific(), func(*cryptobyte.Builder) {})
	case revoked:
		b.AddASN1(der.Context1, func(b *cryptobyte.Builder) {
			b.AddASN1GeneralizedTime(s.at)
			if s.reason != 0 {
				b.AddASN1(der.Context0, func(b *cryptobyte.Builder) { b.AddASN1Enum(int64(s.reason)) })
			}
		})
	default:
		b.AddASN1(asn1.Tag(2).ContextSpecific(), func(*cryptobyte.Builder) {})
	}
}

func addNonce(b *cryptobyte.Builder, nonce []byte) {
	b.AddASN1(der.Context1, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			der.AddExtension(b, der.OCSPNonce, func(b *cryptobyte.Builder) { b.AddASN1OctetString(nonce) })
		})
	})
}

// basicResponse encodes a successful OCSPResponse around signed data; certificate is the signer's, DER.
func basicResponse(data, algorithm, signature, certificate []byte) ([]byte, error) {
	b := cryptobyte.NewBuilder(make([]byte, 0, len(data)+len(signature)+len(certificate)+128))
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Enum(0)
		b.AddASN1(der.Context0, func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(der.OCSPBasic)
				b.AddASN1(asn1.OCTET_STRING, func(b *cryptobyte.Builder) {
					addBasic(b, data, algorithm, signature, certificate)
				})
			})
		})
	})
	return b.Bytes()
}

func addBasic(b *cryptobyte.Builder, data, algorithm, signature, certificate []byte) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(data)
		b.AddBytes(algorithm)
		b.AddASN1BitString(signature)
		b.AddASN1(der.Context0, func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddBytes(certificate) })
		})
	})
}
