package gateway

import (
	"slices"

	"tlagate/pki"
)

// Rule lets one TLA open one PdT of another practice.
type Rule struct{ TLA, PdT pki.Identity }

type access []Rule

// What each role may ask for (C1); whoami is for everyone.
var rights = map[string][]pki.Role{
	"park": {pki.RolePdT},
	"open": {pki.RoleTLA},
}

func mayAsk(role pki.Role, what string) bool { return slices.Contains(rights[what], role) }

// allows: a TLA may open the PdTs of its own practice; any other pair needs a line.
func (a access) allows(tla, pdt pki.Identity) bool {
	return tla.Practice == pdt.Practice || slices.Contains(a, Rule{tla, pdt})
}

// resolve reads the name of a PdT: an identity, or a bare name in the TLA's own practice.
func resolve(name string, tla pki.Identity) (pki.Identity, error) {
	if id, err := pki.ParseIdentity(name); err == nil {
		return id, pdtRole(id)
	}
	id := pki.Identity{Practice: tla.Practice, Role: pki.RolePdT, Name: name}
	return pki.ParseIdentity(id.String())
}
