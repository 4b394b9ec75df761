package gateway

import (
	"fmt"
	"slices"
	"strings"

	"tlagate/pki"
	"tlagate/pki/trust"
	"tlagate/session/link"
	"tlagate/session/user"
)

// What each role may ask for (C1); whoami is for everyone.
var rights = map[string][]pki.Role{
	"park": {pki.RolePdT},
	"open": {pki.RoleTLA},
}

func mayAsk(role pki.Role, what string) bool { return slices.Contains(rights[what], role) }

func wrongRole(detail string) *link.Problem {
	return &link.Problem{Code: link.ProblemWrongRole, Detail: detail, Action: "Use a certificate of the right role."}
}

// Rule lets a TLA open a PdT, of another practice too. The name "*" in either stands for every name of that practice.
// A pair of TLA and PdT that some rules name is open to the persons of these rules alone.
type Rule struct {
	TLA, PdT pki.Identity
	Who      user.Who // of the TLA's users; zero = every one
}

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
	return Rule{TLA: t, PdT: p}, nil
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

// allows reports whether a TLA may open a PdT: those of its own practice always, any other by a rule.
func (a access) allows(tla, pdt pki.Identity) bool {
	return tla.Practice == pdt.Practice || slices.ContainsFunc(a, func(r Rule) bool { return r.allows(tla, pdt) })
}

// personal reports whether a TLA may open a PdT only when its user is one of those that rules name.
func (a access) personal(tla, pdt pki.Identity) bool {
	fits := func(r Rule) bool { return r.allows(tla, pdt) }
	return slices.ContainsFunc(a, fits) &&
		!slices.ContainsFunc(a, func(r Rule) bool { return fits(r) && r.Who.Empty() })
}

// allowsPerson reports whether a person may use a TLA with a PdT that the TLA may open.
func (a access) allowsPerson(tla, pdt pki.Identity, p *trust.Person) bool {
	return !a.personal(tla, pdt) || slices.ContainsFunc(a, func(r Rule) bool {
		return r.allows(tla, pdt) && r.Who.Has(p.ID, p.Profession)
	})
}

// mayOpen applies the role, then practice and access table, and returns the PdT that the name stands for.
func (a access) mayOpen(tla pki.Identity, name string) (pki.Identity, *link.Problem) {
	if !mayAsk(tla.Role, "open") {
		return pki.Identity{}, wrongRole("Only a TLA can open a session.")
	}
	pdt, err := resolve(name, tla)
	if err != nil {
		return pki.Identity{}, &link.Problem{Code: link.ProblemBadRequest,
			Detail: "The parameter pdt names no Poste de Travail.",
			Action: "Set the PdT's name in the terminal's configuration."}
	}
	if !a.allows(tla, pdt) {
		return pki.Identity{}, &link.Problem{Code: link.ProblemWrongPractice,
			Detail: fmt.Sprintf("%s may not open %s.", tla, pdt),
			Action: "Ask the operator for a line in the access table."}
	}
	return pdt, nil
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

// checkCrypto refuses, where crypto: rgs is on, a device that is without it: its hello offered more. The link to us is
// in the letter of RGS B1 all the same; but of the card session inside, which we cannot see, its two ends alone decide.
func (g *Gateway) checkCrypto(c *client) *link.Problem {
	if g.party.Trust.Crypto() != pki.CryptoRGS || c.peer.KeepsRGS {
		return nil
	}
	return &link.Problem{Code: link.ProblemNotRGS,
		Detail: "This gateway demands crypto: rgs, and this device is without it: it offered X25519 or ChaCha20.",
		Action: "Put crypto: rgs into the device's configuration, or its bundle, and start its program again."}
}
