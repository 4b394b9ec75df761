package pki

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"tlagate/internal/der"
	"tlagate/pki/internal/certutil"
)

// Role is what a component is for; it is the third part of its identity.
type Role string

// The roles of the identity name space.
const (
	RoleTLA     Role = "tla"     // a health professional's terminal
	RolePdT     Role = "pdt"     // a Poste de Travail
	RoleGateway Role = "gateway" // the meeting point
	RolePKI     Role = "pki"     // the device CA's service
	RoleOCSP    Role = "ocsp"    // an OCSP responder
	RoleAdmin   Role = "admin"   // a person who administers
)

// Roles lists every role.
var Roles = []Role{RoleTLA, RolePdT, RoleGateway, RolePKI, RoleOCSP, RoleAdmin}

const identityPrefix = "urn:tlagate:"

// Identity names one component: the URI SAN urn:tlagate:<practice>:<role>:<name>.
// Two identities are the same exactly when their strings are.
type Identity struct {
	Practice string // the practice (cabinet) or operator it belongs to
	Role     Role
	Name     string // unique within practice and role
}

// String returns the URN, for the zero Identity "".
func (id Identity) String() string {
	if id == (Identity{}) {
		return ""
	}
	return identityPrefix + id.Practice + ":" + string(id.Role) + ":" + id.Name
}

// ParseIdentity reads a URN of the form urn:tlagate:<practice>:<role>:<name>.
// Practice and name are 1 to 64 of a-z, 0-9, '.', '_' and '-', first a letter or digit.
func ParseIdentity(urn string) (Identity, error) {
	rest, ok := strings.CutPrefix(urn, identityPrefix)
	if !ok {
		return Identity{}, fmt.Errorf("cannot read identity %q: it does not begin with %s", urn, identityPrefix)
	}
	parts := strings.Split(rest, ":")
	if len(parts) != 3 {
		return Identity{}, fmt.Errorf("cannot read identity %q: want %s<practice>:<role>:<name>", urn, identityPrefix)
	}
	id := Identity{Practice: parts[0], Role: Role(parts[1]), Name: parts[2]}
	if err := id.validate(); err != nil {
		return Identity{}, err
	}
	return id, nil
}

// NamesComponent reports whether a certificate has a URI SAN in our name space, whatever its spelling and the rest.
func NamesComponent(cert *x509.Certificate) bool {
	return slices.ContainsFunc(uriNames(cert), func(uri string) bool {
		return len(uri) >= len(identityPrefix) && strings.EqualFold(uri[:len(identityPrefix)], identityPrefix)
	})
}

// IdentityOf returns the identity that a certificate claims: its only URI SAN in our name space.
func IdentityOf(cert *x509.Certificate) (Identity, error) {
	var found []string
	for _, uri := range uriNames(cert) {
		if strings.HasPrefix(uri, identityPrefix) {
			found = append(found, uri)
		}
	}
	if len(found) != 1 {
		return Identity{}, fmt.Errorf("cannot tell who the certificate is for: it has %d URI names %s…, want one",
			len(found), identityPrefix)
	}
	return ParseIdentity(found[0])
}

// uriNames returns the URI SANs exactly as they are in the certificate. Certificate.URIs will not do: url.URL folds the
// scheme's case and drops an empty fragment, and identities are compared as whole strings.
func uriNames(cert *x509.Certificate) []string {
	var names []string
	for _, ext := range cert.Extensions {
		if !ext.Id.Equal(der.SubjectAltName) {
			continue
		}
		in := cryptobyte.String(ext.Value)
		var seq, name cryptobyte.String
		var tag asn1.Tag
		if !in.ReadASN1(&seq, asn1.SEQUENCE) {
			return nil
		}
		for seq.ReadAnyASN1(&name, &tag) {
			if tag == certutil.URIName {
				names = append(names, string(name))
			}
		}
	}
	return names
}

func (id Identity) validate() error {
	if !slices.Contains(Roles, id.Role) {
		return fmt.Errorf("cannot read identity %q: role %q is none of %v", id, id.Role, Roles)
	}
	for _, part := range []string{id.Practice, id.Name} {
		if !validLabel(part) {
			return fmt.Errorf("cannot read identity %q: %q is not 1 to 64 of a-z 0-9 . _ -, first a letter or digit",
				id, part)
		}
	}
	return nil
}

func validLabel(s string) bool {
	if len(s) == 0 || len(s) > 64 || strings.ContainsRune("._-", rune(s[0])) {
		return false
	}
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && !strings.ContainsRune("._-", c) {
			return false
		}
	}
	return true
}
