package cardsim

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding"
	"encoding/binary"
)

// Tags of control reference templates.
const (
	crtAuthentication = 0xA4
	crtSignature      = 0xB6
	crtHash           = 0xAA
	crtDecipher       = 0xB8
)

// Algorithm references of IAS-ECC.
const (
	algRSAPKCS       = 0x02 // client/server authentication
	algRSAPKCSSHA256 = 0x42
	algSHA256        = 0x40
	algRSADecipher   = 0x1A
)

// algorithms are those that a template may name.
var algorithms = map[byte]byte{crtAuthentication: algRSAPKCS, crtSignature: algRSAPKCSSHA256, crtHash: algSHA256,
	crtDecipher: algRSADecipher}

// verify answers VERIFY: without data a probe.
func (c *CPS3) verify(a apdu) uint16 {
	switch {
	case a.p1 != 0:
		return swWrongP1P2
	case a.p2 != 0x01 && a.p2 != 0x81:
		return swNoReference
	case len(a.data) == 0 && c.verified:
		return swOK
	case len(a.data) == 0:
		return c.pin.triesLeft()
	case len(a.data) != secretSize:
		return swBadData
	}
	sw := c.pin.try(a.data)
	c.verified = sw == swOK
	return sw
}

// manage answers MANAGE SECURITY ENVIRONMENT: SET, which names a key and an algorithm of the application.
func (c *CPS3) manage(a apdu) uint16 {
	if a.p1 != 0x41 {
		return swWrongP1P2
	}
	algorithm, known := algorithms[a.p2]
	if !known {
		return swWrongP1P2
	}
	refs, err := parseRefs(a.data)
	if err != nil || refs.algorithm != algorithm {
		return swBadData
	}
	if a.p2 != crtHash {
		k := c.keys[refs.key]
		if c.folder != c.app || k == nil {
			return swNoReference
		}
		if !k.uses[a.p2] {
			return swConditions
		}
	}
	c.env[a.p2], c.hash = refs, nil
	return swOK
}

// parseRefs reads a control reference template: one algorithm (80) and at most one key (84), in any order.
func parseRefs(data []byte) (r iasRefs, err error) {
	seen := map[byte]bool{}
	for len(data) > 0 {
		var tag byte
		var value []byte
		if tag, value, data, err = cutTLV(data); err != nil {
			return r, err
		}
		if len(value) != 1 || seen[tag] {
			return r, errTLV
		}
		seen[tag] = true
		switch tag {
		case 0x80:
			r.algorithm = value[0]
		case 0x84:
			r.key = value[0]
		default:
			return r, errTLV
		}
	}
	return r, nil
}

// ready returns the key that a template names, if it may be used now.
func (c *CPS3) ready(crt byte) (*rsa.PrivateKey, uint16) {
	refs, set := c.env[crt]
	switch {
	case !set:
		return nil, swConditions
	case !c.verified:
		return nil, swNotSatisfied
	}
	return c.keys[refs.key].key, swOK
}

// internalAuthenticate answers INTERNAL AUTHENTICATE: the card pads what it is given (PKCS#1 v1.5, type 1), which may
// be two fifths of the modulus long, and adds no DigestInfo.
func (c *CPS3) internalAuthenticate(a apdu) []byte {
	if a.p1 != 0 || a.p2 != 0 {
		return status(swWrongP1P2)
	}
	key, sw := c.ready(crtAuthentication)
	if sw != swOK {
		return status(sw)
	}
	if len(a.data) == 0 || len(a.data) > key.Size()*2/5 {
		return status(swBadData)
	}
	return c.signature(a, key, 0, a.data)
}

func (c *CPS3) signature(a apdu, key *rsa.PrivateKey, hash crypto.Hash, data []byte) []byte {
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, hash, data)
	if err != nil {
		return status(swBadData)
	}
	return c.give(signature, a.le)
}

// operate answers PERFORM SECURITY OPERATION.
func (c *CPS3) operate(a apdu) []byte {
	switch uint16(a.p1)<<8 | uint16(a.p2) {
	case 0x90A0:
		return status(c.hashLast(a.data))
	case 0x9E9A:
		return c.sign(a)
	case 0x8086:
		return c.decipher(a)
	}
	return status(swWrongP1P2)
}

// hashLast answers HASH: the state of SHA-256 and how many bits went into it (90; empty = none), and the last octets
// (80).
func (c *CPS3) hashLast(data []byte) uint16 {
	if _, set := c.env[crtHash]; !set {
		return swConditions
	}
	c.hash = nil
	tag, state, rest, err := cutTLV(data)
	if err != nil || tag != 0x90 || len(state) != 0 && len(state) != sha256.Size+8 {
		return swBadData
	}
	tag, last, rest, err := cutTLV(rest)
	if err != nil || tag != 0x80 || len(rest) != 0 || len(last) > sha256.BlockSize {
		return swBadData
	}
	c.hash = finish(state, last)
	return swOK
}

// finish continues a SHA-256 from its state, nil = none, and returns the hash.
func finish(state, last []byte) []byte {
	h := sha256.New()
	if len(state) > 0 {
		// the state of crypto/sha256: a word, the state, a block that is not complete, octets so far
		internal := append([]byte("sha\x03"), state[:sha256.Size]...)
		internal = append(internal, make([]byte, sha256.BlockSize)...)
		octets := binary.BigEndian.Uint64(state[sha256.Size:]) / 8
		internal = binary.BigEndian.AppendUint64(internal, octets)
		if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(internal); err != nil {
			return nil
		}
	}
	h.Write(last)
	return h.Sum(nil)
}

// sign answers COMPUTE DIGITAL SIGNATURE, of what HASH left.
func (c *CPS3) sign(a apdu) []byte {
	key, sw := c.ready(crtSignature)
	switch {
	case sw != swOK:
		return status(sw)
	case len(a.data) != 0:
		return status(swWrongLength)
	case c.hash == nil:
		return status(swConditions)
	}
	hash := c.hash
	c.hash = nil
	return c.signature(a, key, crypto.SHA256, hash)
}

// decipher answers DECIPHER: 81, and what was encrypted with PKCS#1 v1.5.
func (c *CPS3) decipher(a apdu) []byte {
	key, sw := c.ready(crtDecipher)
	if sw != swOK {
		return status(sw)
	}
	if len(a.data) != key.Size()+1 || a.data[0] != 0x81 {
		return status(swBadData)
	}
	//lint:ignore SA1019 such cards do this; it is a simulated one, for tests
	plain, err := rsa.DecryptPKCS1v15(rand.Reader, key, a.data[1:])
	if err != nil || len(plain) == 0 {
		return status(swBadData)
	}
	return c.give(plain, a.le)
}

// getData answers GET DATA with a security data object: class and number of the object after BF, then what is asked of
// it. The objects of the application are seen in it alone, the others everywhere.
func (c *CPS3) getData(a apdu) []byte {
	if a.p1 != 0x3F || a.p2 != 0xFF {
		return status(swWrongP1P2)
	}
	for _, o := range c.objects() {
		switch {
		case o.app && c.folder != c.app || len(a.data) < 7 || !bytes.Equal(a.data[4:7], appendTag(nil, o.name)):
		case bytes.Equal(a.data, tlv(0x4D, tlv(0x70, tlv(o.name, []byte{o.part, 0x80})))):
			return c.give(tlv(0x70, tlv(o.name, o.content)), a.le)
		default: // there is more to it, which nobody may read
			return status(swBadData)
		}
	}
	return status(swNoReference)
}

// iasObject is a security data object, as far as anybody may read it.
type iasObject struct {
	app     bool
	name    uint32
	part    byte
	content []byte
}

// objects returns those that the card has. Their access rules say: the PIN for a use of the keys, by way of security
// environment 1, which names it.
func (c *CPS3) objects() []iasObject {
	const control, environment = 0xA0, 0x7B
	size := tlv(0x80, []byte{0x01, 0x00}) // octets of a modulus
	tries := []byte{byte(c.pin.tries)}
	return []iasObject{
		{false, 0xBF8101, control, tlv(control, tlv(0x9A, []byte{maxTries}), tlv(0x9B, tries),
			tlv(0xA1, tlv(0x8C, unhex("F3000013FF00"))))},
		{true, 0xBF9001, control, tlv(control, size, tlv(0xA1, tlv(0x8C, unhex("F311FFFFFFFF00"))))},
		{true, 0xBF9002, control, tlv(control, size, tlv(0xA1, tlv(0x8C, unhex("F3FF1111FFFF00"))))},
		{false, 0xBFFB01, environment, tlv(environment, tlv(crtAuthentication, tlv(0x95, []byte{0x08}),
			tlv(0x83, []byte{0x01})))},
	}
}
