package ca

import (
	"fmt"
	"slices"
	"time"

	"github.com/cloudflare/cfssl/config"
	"github.com/cloudflare/cfssl/initca"

	"tlagate/internal/der"
	"tlagate/pki"
)

// Profile says what a certificate is for and what it may be.
type Profile struct {
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

// Profiles is the table of RGS A4: one extended key usage a certificate.
var Profiles = []Profile{
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

// Lifetimes of the CAs, and how far back a certificate begins, for clocks that are behind.
const (
	rootYears    = 10
	issuingYears = 5
	backdate     = 5 * time.Minute
)

const (
	profileRoot    = "root"
	profileIssuing = "issuing"
)

// ProfileNames lists the profiles.
func ProfileNames() []string {
	var names []string
	for _, p := range Profiles {
		names = append(names, p.Name)
	}
	return names
}

func profileNamed(name string) (Profile, error) {
	for _, p := range Profiles {
		if p.Name == name {
			return p, nil
		}
	}
	return Profile{}, fmt.Errorf("there is no profile %q: want one of %v", name, ProfileNames())
}

// days checks a wished lifetime; 0 is the default.
func (p Profile) days(wish int) (int, error) {
	switch {
	case wish == 0:
		return p.Days, nil
	case wish < 0 || wish > p.MaxDays:
		return 0, fmt.Errorf("%d days are not allowed: profile %s has 1 to %d", wish, p.Name, p.MaxDays)
	}
	return wish, nil
}

// isOCSP: a responder's certificate has no names, and nothing to ask about its own status.
func (p Profile) isOCSP() bool { return p.Usage == ocspSigning }

// signing gives the profiles in cfssl's form. The default profile is empty on
// purpose: cfssl fills what a profile leaves out from there.
func (s Settings) signing() *config.Signing {
	out := &config.Signing{Default: &config.SigningProfile{Expiry: time.Hour}, Profiles: map[string]*config.SigningProfile{}}
	for _, p := range Profiles {
		out.Profiles[p.Name] = s.leafProfile(p)
	}
	return out
}

func (s Settings) leafProfile(p Profile) *config.SigningProfile {
	profile := &config.SigningProfile{
		Usage:                       []string{"digital signature", p.Usage},
		CRL:                         s.CRLURL(),
		Policies:                    s.policies(p.policy),
		CSRWhitelist:                onlyTheKey(),
		ClientProvidesSerialNumbers: true,
	}
	if p.isOCSP() {
		profile.OCSPNoCheck = true
		return profile
	}
	profile.OCSP = s.OCSPURL
	profile.IssuerURL = []string{s.URL + "/issuing.cer"}
	return profile
}

// rootSigning and issuingSigning give the profiles of the CAs themselves.
func (s Settings) rootSigning() *config.Signing {
	return s.caSigning(profileRoot, func(p *config.SigningProfile) {
		p.CAConstraint.MaxPathLen = 1
		// A root's own authority key identifier is not cfssl's to fill in.
		p.ExtensionWhitelist = map[string]bool{der.AuthorityKeyIdentifier.String(): true}
	})
}

func (s Settings) issuingSigning() *config.Signing {
	return s.caSigning(profileIssuing, func(p *config.SigningProfile) {
		p.CAConstraint.MaxPathLenZero = true
		p.CRL = s.URL + "/arl.der"
		p.OCSP = s.OCSPURL
		p.IssuerURL = []string{s.URL + "/root.cer"}
	})
}

func (s Settings) caSigning(name string, adapt func(*config.SigningProfile)) *config.Signing {
	policy := initca.CAPolicy()
	profile := *policy.Default
	profile.Policies = s.policies(policyClient, policyServer, policyOCSP, policyBundle)
	profile.CSRWhitelist = onlyTheKey()
	profile.ClientProvidesSerialNumbers = true
	adapt(&profile)
	policy.Profiles = map[string]*config.SigningProfile{name: &profile}
	return policy
}

// onlyTheKey is what a request may decide. (The signature algorithm is cfssl's word for the signer's own.)
func onlyTheKey() *config.CSRWhitelist {
	return &config.CSRWhitelist{PublicKey: true, PublicKeyAlgorithm: true, SignatureAlgorithm: true}
}

func (s Settings) policies(arcs ...int) []config.CertificatePolicy {
	var out []config.CertificatePolicy
	for _, arc := range arcs {
		out = append(out, config.CertificatePolicy{ID: config.OID(append(slices.Clone(s.policyOID()), arc))})
	}
	return out
}
