package server

import (
	"bytes"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"net/http"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"tlagate/internal/der"
)

// readRequest gives the request for a certificate (PKCS#10, DER) that is in a body. One that is bound to a connection must be bound
// to this one. The error is an *estProblem.
func readRequest(r *http.Request, who caller) ([]byte, error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/pkcs10" {
		return nil, refuse(http.StatusBadRequest, "bad_request", "the Content-Type must be application/pkcs10")
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "bad_request", "the request cannot be read, or is larger than %d octets", estMaxBody)
	}
	der, challenge, err := parseRequest(body)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "bad_request", "%v", err)
	}
	if challenge != nil && !bound(challenge, who) {
		return nil, refuse(http.StatusBadRequest, "bad_binding", "the request's challengePassword is not base64 of this connection's tls-exporter value: it was made for another")
	}
	return der, nil
}

// bound says whether a challengePassword is the channel binding of the caller's connection (RFC 7030 section 3.5).
func bound(challenge []byte, who caller) bool {
	said, err := base64.StdEncoding.DecodeString(string(challenge))
	if err != nil {
		return false
	}
	want, err := who.binding()
	return err == nil && subtle.ConstantTimeCompare([]byte(base64.StdEncoding.EncodeToString(said)), []byte(want)) == 1
}

// parseRequest reads a body: base64 with or without line breaks, whatever a Content-Transfer-Encoding says (RFC 8951 section 3). It gives
// the request, and the challengePassword in it; nil = there is none.
func parseRequest(body []byte) (der, challenge []byte, err error) {
	der, err = decodeBase64(body)
	if err != nil {
		return nil, nil, errors.New("the body is not base64 (RFC 4648) of a certificate request")
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, nil, errors.New("the body is base64, but not of a certificate request (PKCS#10, DER)")
	}
	challenge, ok := challengeIn(csr.RawTBSCertificateRequest)
	if !ok {
		return nil, nil, errors.New("the attributes of the certificate request cannot be read, or have several challengePasswords")
	}
	return der, challenge, nil
}

func decodeBase64(text []byte) ([]byte, error) {
	text = bytes.Join(bytes.Fields(text), nil)
	out := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(out, text)
	return out[:n], err
}

// challengeIn finds the challengePassword (RFC 2985 section 5.4.1) in a CertificationRequestInfo (RFC 2986 section 4); nil = there is
// none. Not ok: what cannot be read, or is there twice, is not passed over.
func challengeIn(tbs cryptobyte.String) (found []byte, ok bool) {
	var info, attributes cryptobyte.String
	var present bool
	if !tbs.ReadASN1(&info, cbasn1.SEQUENCE) || !info.SkipASN1(cbasn1.INTEGER) || !info.SkipASN1(cbasn1.SEQUENCE) ||
		!info.SkipASN1(cbasn1.SEQUENCE) || !info.ReadOptionalASN1(&attributes, &present, der.Context0) || !info.Empty() {
		return nil, false
	}
	for !attributes.Empty() {
		kind, values, ok := der.ReadAttribute(&attributes)
		if !ok {
			return nil, false
		}
		if !kind.Equal(der.ChallengePassword) {
			continue
		}
		value, one := directoryString(values)
		if !one || found != nil {
			return nil, false
		}
		found = value
	}
	return found, true
}

// directoryString reads the only value of a set, in one of the forms whose octets are the text. The result is never nil.
func directoryString(values cryptobyte.String) (text []byte, ok bool) {
	var value cryptobyte.String
	var tag cbasn1.Tag
	if !values.ReadAnyASN1(&value, &tag) || !values.Empty() {
		return nil, false
	}
	switch tag {
	case cbasn1.UTF8String, cbasn1.PrintableString, cbasn1.IA5String, cbasn1.T61String:
		return append([]byte{}, value...), true
	}
	return nil, false
}
