package words

import (
	"strings"

	"tlagate/pki"
)

// roleNames are how a professional calls a role; {text} is its name.
var roleNames = map[string]Text{
	"gateway": {"le service de votre opérateur", "your operator's service"},
	"pdt":     {"le Poste de Travail {text}", "the Poste de Travail {text}"},
	"tla":     {"ce terminal", "this terminal"},
}

// Who names somebody by role and, of a Poste de Travail, by name: "le Poste de Travail bureau".
func (t Tongue) Who(peer, own string) string {
	role, name := peer, ""
	if id, err := pki.ParseIdentity(peer); err == nil {
		role, name = string(id.Role), NameOf(peer, own)
	}
	if known, ok := roleNames[role]; ok {
		return strings.TrimSpace(t.Say(known, []string{"text", name}))
	}
	return Plain(peer)
}

// NameOf is the name of a URN; of another practice's PdT, with that.
func NameOf(urn, own string) string {
	id, err := pki.ParseIdentity(urn)
	if err != nil {
		return Plain(urn)
	}
	if us, err := pki.ParseIdentity(own); id.Role == pki.RolePdT && err == nil && us.Practice != id.Practice {
		return id.Name + " (" + id.Practice + ")"
	}
	return id.Name
}

func Capital(s string) string {
	r := []rune(s)
	if len(r) > 0 {
		r[0] = []rune(strings.ToUpper(string(r[:1])))[0]
	}
	return string(r)
}

// Plain keeps what comes from elsewhere, a reader's name for instance, one column a character and free of control.
func Plain(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r < ' ' || r == 0x7F || (r >= 0x80 && r < 0xA0):
			return -1
		case r >= 0x300:
			return '?'
		}
		return r
	}, s)
}
