package cardsim

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"math/big"
	"sync"
)

// Key references of PIV.
const (
	KeyAuthentication     = 0x9A
	KeySignature          = 0x9C
	KeyManagement         = 0x9D
	KeyCardAuthentication = 0x9E
)

// Algorithm references of PIV (NIST SP 800-78-4).
const (
	algRSA2048 = 0x07
	algP256    = 0x11
)

type pinRule int

const (
	pinNever pinRule = iota
	pinOnce
	pinAlways
)

// pivKey is a private key, its certificate and when it may be used.
type pivKey struct {
	algorithm byte
	pin       pinRule
	object    string // tag of the certificate's object
	name      string
	key       crypto.Signer
	cert      *x509.Certificate
}

// newKeys makes the four keys, without certificates.
func newKeys(person *rsa.PrivateKey) (map[byte]*pivKey, error) {
	keys := map[byte]*pivKey{
		KeyAuthentication:     {algorithm: algRSA2048, pin: pinOnce, object: "5FC105", name: "authentication"},
		KeySignature:          {algorithm: algP256, pin: pinAlways, object: "5FC10A", name: "signature"},
		KeyManagement:         {algorithm: algP256, pin: pinOnce, object: "5FC10B", name: "key management"},
		KeyCardAuthentication: {algorithm: algP256, pin: pinNever, object: "5FC101", name: "card authentication"},
	}
	for _, k := range keys {
		key, err := newKey(k.algorithm, person)
		if err != nil {
			return nil, err
		}
		k.key = key
	}
	return keys, nil
}

// theRSAKey is the RSA key of every card of this process that is given none: making one takes longer than everything
// else about a card, and cards differ by their other keys and their certificates.
var theRSAKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func newKey(algorithm byte, person *rsa.PrivateKey) (crypto.Signer, error) {
	switch {
	case algorithm == algRSA2048 && person != nil:
		return person, nil
	case algorithm == algRSA2048:
		return theRSAKey()
	}
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

// authenticate answers GENERAL AUTHENTICATE: signature or key agreement.
func (c *CPS) authenticate(a apdu, fresh bool) []byte {
	k, ok := c.keys[a.p2]
	switch {
	case !ok:
		return status(swNoReference)
	case a.p1 != k.algorithm:
		return status(swWrongP1P2)
	case k.pin == pinOnce && !c.verified, k.pin == pinAlways && !fresh:
		return status(swNotSatisfied)
	}
	template, err := parseTemplate(a.data)
	if err != nil {
		return status(swBadData)
	}
	result, ok := k.use(a.p2, template)
	if !ok {
		return status(swBadData)
	}
	return c.give(tlv(0x7C, tlv(0x82, result)), a.le)
}

// template is a dynamic authentication template; absent members are nil.
type template struct{ challenge, point []byte }

func parseTemplate(data []byte) (t template, err error) {
	tag, body, _, err := cutTLV(data)
	if err != nil || tag != 0x7C {
		return t, errTLV
	}
	for len(body) > 0 {
		var value []byte
		if tag, value, body, err = cutTLV(body); err != nil {
			return t, err
		}
		switch tag {
		case 0x81:
			t.challenge = value
		case 0x85:
			t.point = value
		}
	}
	return t, nil
}

func (k *pivKey) use(ref byte, t template) ([]byte, bool) {
	switch key := k.key.(type) {
	case *rsa.PrivateKey:
		return rawRSA(key, t.challenge)
	case *ecdsa.PrivateKey:
		if ref == KeyManagement {
			return agree(key, t.point)
		}
		return signP256(key, t.challenge)
	}
	return nil, false
}

// rawRSA does the bare private-key operation: PIV leaves the padding to the host.
func rawRSA(key *rsa.PrivateKey, challenge []byte) ([]byte, bool) {
	m := new(big.Int).SetBytes(challenge)
	if len(challenge) != key.Size() || m.Cmp(key.N) >= 0 {
		return nil, false
	}
	return m.Exp(m, key.D, key.N).FillBytes(make([]byte, key.Size())), true
}

func signP256(key *ecdsa.PrivateKey, digest []byte) ([]byte, bool) {
	if len(digest) == 0 || len(digest) > 32 {
		return nil, false
	}
	sig, err := ecdsa.SignASN1(rand.Reader, key, digest)
	return sig, err == nil
}

func agree(key *ecdsa.PrivateKey, point []byte) ([]byte, bool) {
	peer, err := ecdh.P256().NewPublicKey(point)
	if err != nil {
		return nil, false
	}
	own, err := key.ECDH()
	if err != nil {
		return nil, false
	}
	shared, err := own.ECDH(peer)
	return shared, err == nil
}
