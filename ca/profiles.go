package ca

import (
	"encoding/asn1"
	"fmt"
	"slices"
	"time"

	"tlagate/ca/certify"
	"tlagate/pki"
)

// profile says what a certificate is for and what it may be.
type profile struct {
	Name    string
	Role    pki.Role // of the identity it names
	Usage   string   // its only extended key usage, in cfssl's words
	Server  bool     // has DNS names
	Days    int      // default lifetime
	MaxDays int      // longest lifetime
	policy  int      // last arc of its policy OID
}

// The last arcs of the policy OIDs, below Settings.Policy.
const (
	policyClient = 1
	policyServer = 2
	policyOCSP   = 3
	policyBundle = 4
)

// profiles is the table of RGS A4: each certificate has one extended key usage.
var profiles = []profile{
	{"tla", pki.RoleTLA, clientAuth, false, 398, 825, policyClient},
	{"pdt-client", pki.RolePdT, clientAuth, false, 398, 825, policyClient},
	{"pdt-server", pki.RolePdT, serverAuth, true, 398, 825, policyServer},
	{"gateway-client", pki.RoleGateway, clientAuth, false, 398, 825, policyClient},
	{"gateway-server", pki.RoleGateway, serverAuth, true, 398, 825, policyServer},
	{"pki", pki.RolePKI, serverAuth, true, 398, 825, policyServer},
	{"ocsp", pki.RoleOCSP, ocspSigning, false, 90, 90, policyOCSP},
	{"admin", pki.RoleAdmin, clientAuth, false, 398, 825, policyClient},
	{"bundle", pki.RoleAdmin, codeSigning, false, 398, 825, policyBundle},
}

const (
	clientAuth  = "client auth"
	serverAuth  = "server auth"
	ocspSigning = "ocsp signing"
	codeSigning = "code signing" // signs device bundles (docs/bundle.md)
)

// Lifetimes of the CAs, and how far in the past a certificate begins, for peers whose clocks are behind.
const (
	rootYears    = 10
	issuingYears = 5
	backdate     = 5 * time.Minute
)

// profileRoot is what lists show as the root's profile.
const profileRoot = "root"

// profileNames lists the profiles.
func profileNames() []string {
	var names []string
	for _, p := range profiles {
		names = append(names, p.Name)
	}
	return names
}

func profileNamed(name string) (profile, error) {
	for _, p := range profiles {
		if p.Name == name {
			return p, nil
		}
	}
	return profile{}, fmt.Errorf("there is no profile %q: want one of %v", name, profileNames())
}

// days checks a wished lifetime; 0 is the default.
func (p profile) days(wish int) (int, error) {
	switch {
	case wish == 0:
		return p.Days, nil
	case wish < 0 || wish > p.MaxDays:
		return 0, fmt.Errorf("%d days are not allowed: profile %s has 1 to %d", wish, p.Name, p.MaxDays)
	}
	return wish, nil
}

// isOCSP reports whether the profile is a responder's, whose certificate has no names and no source for its own status.
func (p profile) isOCSP() bool { return p.Usage == ocspSigning }

// leafProfile returns a profile as it is signed.
func (s Settings) leafProfile(p profile) certify.Profile {
	profile := certify.Profile{
		Usages:   []string{"digital signature", p.Usage},
		CRL:      s.crlURL(),
		Policies: s.policies(p.policy),
	}
	if p.isOCSP() {
		profile.NoCheck = true
		return profile
	}
	profile.OCSP = s.OCSPURL
	profile.Issuer = s.URL + "/issuing.cer"
	return profile
}

// rootProfile and issuingProfile are the profiles of the CAs themselves.
func (s Settings) rootProfile() certify.Profile {
	return certify.Profile{
		Usages:   []string{"cert sign", "crl sign"},
		CA:       true,
		PathLen:  1,
		Policies: s.policies(policyClient, policyServer, policyOCSP, policyBundle),
	}
}

func (s Settings) issuingProfile() certify.Profile {
	profile := s.rootProfile()
	profile.PathLen = 0
	profile.CRL = s.URL + "/arl.der"
	profile.OCSP = s.OCSPURL
	profile.Issuer = s.URL + "/root.cer"
	return profile
}

func (s Settings) policies(arcs ...int) []asn1.ObjectIdentifier {
	var out []asn1.ObjectIdentifier
	for _, arc := range arcs {
		out = append(out, append(slices.Clone(s.policyOID()), arc))
	}
	return out
}
