package officers

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"tlagate/pki"
)

// Role is what an officer may do; one officer may have several.
type Role string

// The roles.
const (
	Read     Role = "read"     // certificates, invitations, state and keys of the CA
	Enrol    Role = "enrol"    // issue, invite, swap devices
	Security Role = "security" // revoke, hold, release; approve what waits for a second officer
	Audit    Role = "audit"    // the trace, and nothing else
)

// Roles lists them.
func Roles() []Role { return []Role{Read, Enrol, Security, Audit} }

// Officer is who may act, by the identity in their certificate.
type Officer struct {
	Identity string // urn:tlagate:<operator>:admin:<name>
	Roles    []Role
}

// Check returns what is wrong with a list of officers.
func Check(list []Officer) error {
	var errs []error
	seen := map[string]bool{}
	for _, o := range list {
		err := o.check()
		if err == nil && seen[o.Identity] {
			err = errors.New("it is named twice")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("cannot take %q as an officer: %w", o.Identity, err))
		}
		seen[o.Identity] = true
	}
	return errors.Join(errs...)
}

func (o Officer) check() error {
	id, err := pki.ParseIdentity(o.Identity)
	switch {
	case err != nil:
		return err
	case id.Role != pki.RoleAdmin:
		return fmt.Errorf("its role is %s: an officer's certificate has the role admin", id.Role)
	case len(o.Roles) == 0:
		return fmt.Errorf("it has no roles: want some of %v", Roles())
	case slices.Contains(o.Roles, Audit) && len(o.Roles) > 1:
		return errors.New("who audits does nothing else: give audit to somebody of their own")
	}
	for _, r := range o.Roles {
		if !slices.Contains(Roles(), r) {
			return fmt.Errorf("there is no role %q: want some of %v", r, Roles())
		}
	}
	return nil
}

// Right is one line of the table: what can be asked for, and which roles may.
type Right struct {
	Method string
	Name   string // last part of the path, below Prefix
	Roles  []Role // nil = every officer
	Takes  bool   // it only takes trust away: a trace that cannot be written does not hold it up
}

// Prefix is the path below which everything is.
const Prefix = "/api/v1/"

// Rights returns the table; docs/ca.md has the same, and a test keeps them equal.
func Rights() []Right {
	return []Right{
		{http.MethodGet, "whoami", nil, false},
		{http.MethodGet, "openapi.yaml", nil, false},
		{http.MethodGet, "certificates", []Role{Read}, false},
		{http.MethodGet, "invitations", []Role{Read}, false},
		{http.MethodGet, "status", []Role{Read}, false},
		{http.MethodGet, "inventory", []Role{Read}, false},
		{http.MethodGet, "waiting", []Role{Read, Enrol, Security}, false},
		{http.MethodGet, "audit", []Role{Audit}, false},
		{http.MethodPost, "issue", []Role{Enrol}, false},
		{http.MethodPost, "succeed", []Role{Enrol}, false},
		{http.MethodPost, "invite", []Role{Enrol}, false},
		{http.MethodPost, "withdraw", []Role{Enrol, Security}, true},
		{http.MethodPost, "replace", []Role{Enrol}, false},
		{http.MethodPost, "revoke", []Role{Security}, true},
		{http.MethodPost, "release", []Role{Security}, false},
		{http.MethodPost, "approve", []Role{Security}, false},
		{http.MethodPost, "reject", []Role{Security}, true},
		{http.MethodPost, "acknowledge", []Role{Security}, false},
	}
}

// as returns in which of their roles an officer may use a right; "" = in none. With no roles demanded it is Read, which
// then means nothing.
func (r Right) as(o Officer) Role {
	if r.Roles == nil {
		return Read
	}
	for _, role := range r.Roles {
		if slices.Contains(o.Roles, role) {
			return role
		}
	}
	return ""
}
