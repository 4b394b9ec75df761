package gateway

import (
	"fmt"
	"slices"
	"strings"

	"tlagate/pki"
)

// What each role may ask for (C1); whoami is for everyone.
var rights = map[string][]pki.Role{
	"park": {pki.RolePdT},
	"open": {pki.RoleTLA},
}

func mayAsk(role pki.Role, what string) bool { return slices.Contains(rights[what], role) }

// Rule lets a TLA open a PdT of another practice. The name "*" in either stands for all of that practice.
type Rule struct{ TLA, PdT pki.Identity }

// ParseRule reads a rule of two URNs; a name may be "*".
func ParseRule(tla, pdt string) (Rule, error) {
	t, err := parsePattern(tla, pki.RoleTLA)
	if err != nil {
		return Rule{}, fmt.Errorf("tla: %w", err)
	}
	p, err := parsePattern(pdt, pki.RolePdT)
	if err != nil {
		return Rule{}, fmt.Errorf("pdt: %w", err)
	}
	return Rule{t, p}, nil
}

func parsePattern(urn string, role pki.Role) (pki.Identity, error) {
	practice, all := strings.CutSuffix(urn, ":*")
	if all {
		urn = practice + ":all" // any name, for ParseIdentity
	}
	id, err := pki.ParseIdentity(urn)
	if err == nil && id.Role != role {
		err = fmt.Errorf("%s has the role %s, want %s", urn, id.Role, role)
	}
	if all {
		id.Name = "*"
	}
	return id, err
}

func (r Rule) allows(tla, pdt pki.Identity) bool { return matches(r.TLA, tla) && matches(r.PdT, pdt) }

func matches(pattern, id pki.Identity) bool {
	if pattern.Name == "*" {
		pattern.Name = id.Name
	}
	return pattern == id
}

type access []Rule

// allows: a TLA may open the PdTs of its own practice; any other pair needs a rule.
func (a access) allows(tla, pdt pki.Identity) bool {
	return tla.Practice == pdt.Practice || slices.ContainsFunc(a, func(r Rule) bool { return r.allows(tla, pdt) })
}

// resolve reads the name of a PdT: an identity, or a bare name in the TLA's own practice.
func resolve(name string, tla pki.Identity) (pki.Identity, error) {
	if !strings.Contains(name, ":") {
		name = pki.Identity{Practice: tla.Practice, Role: pki.RolePdT, Name: name}.String()
	}
	id, err := pki.ParseIdentity(name)
	if err == nil && id.Role != pki.RolePdT {
		err = fmt.Errorf("%s has the role %s, want %s", id, id.Role, pki.RolePdT)
	}
	return id, err
}
