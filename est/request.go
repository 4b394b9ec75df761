package est

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"tlagate/internal/der"
)

// The tls-exporter value that binds a request to its connection (RFC 9266 section 4.2).
const (
	bindingLabel = "EXPORTER-Channel-Binding"
	bindingSize  = 32 // octets
)

// ChannelBinding returns the challengePassword of a request that is made for this connection: base64 of its
// tls-exporter value (RFC 7030 section 3.5, RFC 9266). The handshake must be complete.
func ChannelBinding(cs tls.ConnectionState) (string, error) {
	value, err := cs.ExportKeyingMaterial(bindingLabel, nil, bindingSize)
	if err != nil {
		return "", fmt.Errorf("cannot bind the request to its connection: %w", err)
	}
	return base64.StdEncoding.EncodeToString(value), nil
}

// newRequest makes a request (PKCS#10, DER) for key: with the names of like, our certificate so far (RFC 7030 section
// 4.2.2), if there is one, and with a challengePassword.
func newRequest(key crypto.Signer, like *x509.Certificate, challenge string) ([]byte, error) {
	template := new(x509.CertificateRequest)
	if like != nil {
		template.RawSubject = like.RawSubject
		template.ExtraExtensions = subjectAltNames(like)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	if err == nil {
		der, err = withChallenge(der, challenge, key)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot make the certificate request: %w", err)
	}
	return der, nil
}

func subjectAltNames(cert *x509.Certificate) []pkix.Extension {
	e, has := der.Find(cert, der.SubjectAltName)
	if !has {
		return nil
	}
	return []pkix.Extension{e}
}

// withChallenge adds the attribute challengePassword (RFC 2985 section 5.4.1) to a request and signs it again: the
// attributes that crypto/x509 makes by itself are lists of names and values, and this one is a string.
func withChallenge(der []byte, challenge string, key crypto.Signer) ([]byte, error) {
	plain, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, err
	}
	algorithm, err := algorithmOf(der)
	if err != nil {
		return nil, err
	}
	tbs, err := addChallenge(plain.RawTBSCertificateRequest, challenge)
	if err != nil {
		return nil, err
	}
	hash, known := hashes[plain.SignatureAlgorithm]
	if !known {
		return nil, fmt.Errorf("keys that sign with %v are not for this", plain.SignatureAlgorithm)
	}
	signature, err := crypto.SignMessage(key, rand.Reader, tbs, hash)
	if err != nil {
		return nil, err
	}
	var out cryptobyte.Builder
	out.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(tbs)
		b.AddBytes(algorithm)
		b.AddASN1BitString(signature)
	})
	return out.Bytes()
}

// hashes of the signatures that crypto/x509 chooses for keys of the allowlist.
var hashes = map[x509.SignatureAlgorithm]crypto.Hash{
	x509.ECDSAWithSHA256: crypto.SHA256, x509.ECDSAWithSHA384: crypto.SHA384, x509.SHA256WithRSA: crypto.SHA256,
}

var errRequest = errors.New("crypto/x509 made a request of another form than PKCS#10")

// algorithmOf returns the AlgorithmIdentifier of a request's signature.
func algorithmOf(der cryptobyte.String) ([]byte, error) {
	var outer, algorithm cryptobyte.String
	if !der.ReadASN1(&outer, cbasn1.SEQUENCE) || !outer.SkipASN1(cbasn1.SEQUENCE) ||
		!outer.ReadASN1Element(&algorithm, cbasn1.SEQUENCE) {
		return nil, errRequest
	}
	return algorithm, nil
}

// addChallenge puts one more attribute into CertificationRequestInfo; a SET OF is in the order of its encodings.
func addChallenge(tbs cryptobyte.String, challenge string) ([]byte, error) {
	var added cryptobyte.Builder
	der.AddAttribute(&added, der.ChallengePassword, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.PrintableString, func(b *cryptobyte.Builder) { b.AddBytes([]byte(challenge)) })
	})
	one, err := added.Bytes()
	if err != nil {
		return nil, err
	}
	var info, set cryptobyte.String
	if !tbs.ReadASN1(&info, cbasn1.SEQUENCE) {
		return nil, errRequest
	}
	head := bytes.Clone(info)
	if !info.SkipASN1(cbasn1.INTEGER) || !info.SkipASN1(cbasn1.SEQUENCE) || !info.SkipASN1(cbasn1.SEQUENCE) {
		return nil, errRequest
	}
	head = head[:len(head)-len(info)]
	if !info.ReadASN1(&set, der.Context0) || !info.Empty() {
		return nil, errRequest
	}
	first, second := []byte(set), one
	if bytes.Compare(first, second) > 0 { // there is at most one other: the names
		first, second = second, first
	}
	var out cryptobyte.Builder
	out.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(head)
		b.AddASN1(der.Context0, func(b *cryptobyte.Builder) { b.AddBytes(first); b.AddBytes(second) })
	})
	return out.Bytes()
}
