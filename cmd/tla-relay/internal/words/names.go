package words

import (
	"strings"

	"tlagate/cmd/internal/sentences"
	"tlagate/pki"
)

// roleNames are a professional's words for a role; {text} is the name of its holder.
var roleNames = textsOf(sentences.Roles)

// Who returns the words for a peer: its role and, for a Poste de Travail, its name: "le Poste de Travail bureau".
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

// NameOf returns the name in a URN, with the practice for a PdT of another practice than own's.
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

// Capital returns s with its first letter in upper case.
func Capital(s string) string {
	r := []rune(s)
	if len(r) > 0 {
		r[0] = []rune(strings.ToUpper(string(r[:1])))[0]
	}
	return string(r)
}

// Plain returns a text from elsewhere, a reader's name for instance, with one column for each character and without
// control characters.
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
