package est

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"tlagate/internal/der"
)

const (
	maxMessage = 64 << 10 // octets of an answer, base64
	maxCerts   = 16       // in one
)

var errCertsOnly = errors.New("it is no certs-only CMS message in DER (RFC 7030 section 4.1.3)")

// parseCertsOnly reads an answer: base64 (RFC 4648; white space does not matter) of a certs-only message (RFC 5272 section 4.1). It is
// DER to the last octet, with 1 to maxCerts certificates: an unproven server sends the first of these.
func parseCertsOnly(body []byte) ([]*x509.Certificate, error) {
	if len(body) > maxMessage {
		return nil, fmt.Errorf("it is longer than %d octets", maxMessage)
	}
	message := make([]byte, base64.StdEncoding.DecodedLen(len(body)))
	n, err := base64.StdEncoding.Decode(message, dropSpace(body))
	if err != nil {
		return nil, errors.New("it is not base64")
	}
	list, ok := certsOf(message[:n])
	if !ok {
		return nil, errCertsOnly
	}
	var certs []*x509.Certificate
	for !list.Empty() {
		var one cryptobyte.String
		if !list.ReadASN1Element(&one, cbasn1.SEQUENCE) {
			return nil, errCertsOnly
		}
		cert, err := x509.ParseCertificate(one)
		if err != nil {
			return nil, fmt.Errorf("a certificate in it cannot be read: %w", err)
		}
		if certs = append(certs, cert); len(certs) > maxCerts {
			return nil, fmt.Errorf("it brings more than %d certificates", maxCerts)
		}
	}
	if len(certs) == 0 {
		return nil, errors.New("it brings no certificate")
	}
	return certs, nil
}

func dropSpace(text []byte) []byte {
	return bytes.Map(func(r rune) rune {
		if r == '\r' || r == '\n' || r == ' ' || r == '\t' {
			return -1
		}
		return r
	}, text)
}

// certsOf gives the field certificates of a SignedData that signs nothing (RFC 5652 section 5.1).
func certsOf(message []byte) (list cryptobyte.String, ok bool) {
	var content cryptobyte.String
	var kind asn1.ObjectIdentifier
	var version int
	signed, ok := der.ReadSignedData(message)
	ok = ok && signed.ReadASN1Integer(&version) && signed.SkipASN1(cbasn1.SET) &&
		signed.ReadASN1(&content, cbasn1.SEQUENCE) && content.ReadASN1ObjectIdentifier(&kind) && kind.Equal(der.Data) && content.Empty() &&
		signed.ReadASN1(&list, der.Context0) && signed.SkipOptionalASN1(der.Context1) &&
		signed.SkipASN1(cbasn1.SET) && signed.Empty()
	return list, ok
}
