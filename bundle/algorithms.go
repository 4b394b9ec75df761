package bundle

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	_ "crypto/sha256" // crypto.SHA256
	_ "crypto/sha512" // crypto.SHA384
	"encoding/hex"
	"errors"
	"strings"
)

// The AlgorithmIdentifiers that may stand in a bundle, as their DER (G5). RFC 5754 wants digests without parameters and lets NULL pass.
var digests = []struct {
	hash       crypto.Hash
	bare, null []byte
}{
	{crypto.SHA256, unhex("300b 0609608648016503040201"), unhex("300d 0609608648016503040201 0500")},
	{crypto.SHA384, unhex("300b 0609608648016503040202"), unhex("300d 0609608648016503040202 0500")},
}

// algorithm is one of those allowed.
type algorithm struct {
	der  []byte
	hash crypto.Hash
	pss  bool
}

var allowed = []algorithm{
	{unhex("300a 06082a8648ce3d040302"), crypto.SHA256, false}, // ecdsa-with-SHA256
	{unhex("300a 06082a8648ce3d040303"), crypto.SHA384, false}, // ecdsa-with-SHA384
	{pss("300d 0609608648016503040201 0500"), crypto.SHA256, true},
	{pss("300b 0609608648016503040201"), crypto.SHA256, true}, // as openssl writes it
}

// pss is id-RSASSA-PSS (RFC 4055) with a hash for content and MGF1, and a salt of 32 octets.
func pss(hash string) []byte {
	wrap := func(tag string, parts ...[]byte) []byte {
		body := bytes.Join(parts, nil)
		return append(append(unhex(tag), byte(len(body))), body...)
	}
	h := unhex(hash)
	mgf1 := wrap("30", unhex("06092a864886f70d010108"), h)
	params := wrap("30", wrap("a0", h), wrap("a1", mgf1), unhex("a203020120"))
	return wrap("30", unhex("06092a864886f70d01010a"), params)
}

var pssOptions = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}

func algorithmOf(der []byte) *algorithm {
	for i, a := range allowed {
		if bytes.Equal(a.der, der) {
			return &allowed[i]
		}
	}
	return nil
}

// algorithmFor chooses by the signer's key.
func algorithmFor(key crypto.PublicKey) (*algorithm, error) {
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		switch key.Curve {
		case elliptic.P256():
			return &allowed[0], nil
		case elliptic.P384():
			return &allowed[1], nil
		}
	case *rsa.PublicKey:
		return &allowed[2], nil
	}
	return nil, errors.New("cannot sign with this kind of key: want P-256, P-384 or RSA")
}

func (a *algorithm) digest() []byte {
	for _, d := range digests {
		if d.hash == a.hash {
			return d.bare
		}
	}
	return nil
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err) // a constant above is wrong
	}
	return b
}
