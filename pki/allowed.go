package pki

import (
	"crypto/tls"
	"slices"
)

// AllowedVersion returns the only TLS version that may be negotiated.
func AllowedVersion() uint16 { return tlsVersion }

// AllowedSuites returns the cipher suites that may be negotiated.
func AllowedSuites() []uint16 { return slices.Clone(tlsSuites) }

// AllowedGroups returns the key-exchange groups that a hello offers; without hybrids, it is a short one.
func AllowedGroups(hybrids bool) []tls.CurveID {
	groups := slices.Clone(tlsGroups)
	if hybrids {
		return groups
	}
	return slices.DeleteFunc(groups, func(g tls.CurveID) bool { return slices.Contains(tlsHybrids, g) })
}
