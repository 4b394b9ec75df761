package pdt

import (
	"crypto/x509"
	"slices"

	"tlagate/pki"
	"tlagate/session/link"
)

// Access is the table of who may open a session here besides the TLAs of our own practice.
type Access struct {
	Practices []string       // every TLA of these practices
	TLAs      []pki.Identity // and these
}

// allows reports whether a TLA may open a session at the PdT us.
func (a Access) allows(us, tla pki.Identity) bool {
	return tla.Role == pki.RoleTLA &&
		(tla.Practice == us.Practice || slices.Contains(a.Practices, tla.Practice) || slices.Contains(a.TLAs, tla))
}

// want returns whom to accept in the card session of a joined link: the TLA that the gateway named, if it may open one.
// If it may not, want asks for a TLA of our own practice, so that the handshake refuses it with the reason of its own.
func (a Access) want(us pki.Identity, j *link.Joined) (pki.Want, pki.Identity, error) {
	want := pki.Want{Usage: x509.ExtKeyUsageClientAuth, Roles: []pki.Role{pki.RoleTLA}}
	named, err := pki.ParseIdentity(j.TLA)
	if err != nil {
		return want, named, err
	}
	if a.allows(us, named) {
		want.Identity = named
	} else {
		want.Practice = us.Practice
	}
	return want, named, nil
}
