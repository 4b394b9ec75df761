package pki

import (
	"crypto/fips140"
	"crypto/tls"
	"fmt"
	"slices"
)

// AllowedVersion returns the only TLS version that may be negotiated.
func AllowedVersion() uint16 { return tlsVersion }

// Crypto says which cipher suites and groups the links of a program take (annex codes C2 and G5; docs/crypto.md).
type Crypto string

// What a configuration can say.
const (
	CryptoDefault Crypto = ""    // everything on the list
	CryptoRGS     Crypto = "rgs" // the letter of RGS B1 alone: neither X25519 in any form, nor ChaCha20
)

// ParseCrypto reads the word of a configuration; "default" is the same as none.
func ParseCrypto(word string) (Crypto, error) {
	switch word {
	case "", "default":
		return CryptoDefault, nil
	case string(CryptoRGS):
		return CryptoRGS, nil
	}
	return "", fmt.Errorf("cannot use crypto: %q is neither rgs nor default", word)
}

// String returns the word.
func (c Crypto) String() string {
	if c == CryptoDefault {
		return "default"
	}
	return string(c)
}

// Suites returns the cipher suites that may be negotiated.
func (c Crypto) Suites() []uint16 {
	if c == CryptoRGS {
		return slices.Clone(letterSuites)
	}
	return slices.Clone(tlsSuites)
}

// Groups returns the key-exchange groups that a hello offers; without hybrids, it is a short one.
//
// In Go's FIPS 140 mode, where crypto/tls leaves X25519 away by itself, the default has it in no hybrid either: the
// short hello is that of crypto: rgs then, and who sends it must keep to the letter in every handshake, the card
// session's for one.
func (c Crypto) Groups(hybrids bool) []tls.CurveID {
	groups := slices.Clone(tlsGroups)
	switch {
	case c == CryptoRGS:
		groups = slices.Clone(letterGroups)
	case fips140.Enabled():
		groups = slices.DeleteFunc(groups, func(g tls.CurveID) bool { return !slices.Contains(letterGroups, g) })
	}
	if hybrids {
		return groups
	}
	return slices.DeleteFunc(groups, func(g tls.CurveID) bool { return slices.Contains(tlsHybrids, g) })
}

// Keeps reports whether an offer has nothing that the default takes and c does not: whoever made it keeps to c itself.
// What nobody of ours takes counts for nothing.
func (c Crypto) Keeps(suites []uint16, groups []tls.CurveID) bool {
	ownSuites, ownGroups := c.Suites(), c.Groups(true)
	return !slices.ContainsFunc(suites, func(s uint16) bool {
		return slices.Contains(tlsSuites, s) && !slices.Contains(ownSuites, s)
	}) && !slices.ContainsFunc(groups, func(g tls.CurveID) bool {
		return slices.Contains(tlsGroups, g) && !slices.Contains(ownGroups, g)
	})
}
