package api

import (
	"fmt"
	"slices"
	"strings"

	"tlagate/pki"
)

// Role is what somebody may do at the gateway.
type Role string

// The roles. Enrol is of the PKI, and may do nothing here.
const (
	Read     Role = "read"
	Operate  Role = "operate"
	Security Role = "security"
	Enrol    Role = "enrol"
	Audit    Role = "audit"
)

// Roles lists every role.
var Roles = []Role{Read, Operate, Security, Enrol, Audit}

// Action is what a request does.
type Action string

// The actions.
const (
	Introduce Action = "whoami" // who am I, and what is there to ask
	Look      Action = "look"   // all GET but incidents and the audit trace
	End       Action = "end"
	Drain     Action = "drain"
	Resume    Action = "resume"
	Incident  Action = "incident" // that incident's lines alone
	Deny      Action = "deny"
	Allow     Action = "allow"
	Hold      Action = "hold"
	Release   Action = "release"
	Search    Action = "search" // of the audit trace
	Export    Action = "export" // lines of it
)

// Actions lists every action.
var Actions = []Action{Introduce, Look, End, Drain, Resume, Incident, Deny, Allow, Hold, Release, Search, Export}

// may is the table of docs/api.md: the roles that may perform an action. Introduce is everybody's.
var may = map[Action][]Role{
	Introduce: Roles,
	Look:      {Read},
	End:       {Operate},
	Drain:     {Operate},
	Resume:    {Operate},
	Incident:  {Operate, Audit},
	Deny:      {Security},
	Allow:     {Security},
	Hold:      {Security},
	Release:   {Security},
	Search:    {Audit},
	Export:    {Audit},
}

// permits returns the role by which somebody who has some roles may perform an action; "" = they may not.
func permits(has []Role, a Action) Role {
	for _, r := range may[a] {
		if slices.Contains(has, r) {
			return r
		}
	}
	return ""
}

// Admin is a line of the configuration: what the holder of a certificate may do.
type Admin struct {
	Identity pki.Identity // of role admin
	Roles    []Role
}

// ParseAdmin reads a line of the configuration.
func ParseAdmin(identity string, roles []string) (Admin, error) {
	id, err := pki.ParseIdentity(identity)
	if err != nil {
		return Admin{}, fmt.Errorf("identity: %w", err)
	}
	if id.Role != pki.RoleAdmin {
		return Admin{}, fmt.Errorf("identity: %s is of role %s; want a certificate of role admin", id, id.Role)
	}
	a := Admin{Identity: id}
	for _, r := range roles {
		if !slices.Contains(Roles, Role(r)) {
			return Admin{}, fmt.Errorf("roles: there is no role %q; want some of %s", r, list(Roles))
		}
		a.Roles = append(a.Roles, Role(r))
	}
	if len(a.Roles) == 0 {
		return Admin{}, fmt.Errorf("roles: %s has none; want some of %s", id, list(Roles))
	}
	return a, nil
}

func list(roles []Role) string {
	var words []string
	for _, r := range roles {
		words = append(words, string(r))
	}
	return strings.Join(words, ", ")
}

// rolesOf returns the roles of an identity; none for one that no line names.
func rolesOf(admins []Admin, id pki.Identity) (roles []Role) {
	for _, a := range admins {
		if a.Identity == id {
			roles = append(roles, a.Roles...)
		}
	}
	return roles
}
