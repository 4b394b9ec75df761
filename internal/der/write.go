package der

import (
	"encoding/asn1"

	"golang.org/x/crypto/cryptobyte"
	tag "golang.org/x/crypto/cryptobyte/asn1"
)

// AddExtension writes an Extension that is not critical; value writes the content of its OCTET STRING.
func AddExtension(b *cryptobyte.Builder, id asn1.ObjectIdentifier, value cryptobyte.BuilderContinuation) {
	b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(id)
		b.AddASN1(tag.OCTET_STRING, value)
	})
}

// AddAttribute writes an Attribute (RFC 5652 section 5.3) of one value.
func AddAttribute(b *cryptobyte.Builder, kind asn1.ObjectIdentifier, value cryptobyte.BuilderContinuation) {
	b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(kind)
		b.AddASN1(tag.SET, value)
	})
}

// AddSignedData writes a CMS message (RFC 5652 sections 3 and 5.1); content writes its SignedData.
func AddSignedData(b *cryptobyte.Builder, content cryptobyte.BuilderContinuation) {
	b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(SignedData)
		b.AddASN1(Context0, func(b *cryptobyte.Builder) { b.AddASN1(tag.SEQUENCE, content) })
	})
}
