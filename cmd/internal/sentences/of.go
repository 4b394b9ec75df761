// Package sentences has the words in which a professional is told why a session did not start, or ended, by the code
// and the reason that logs and traces have: for the terminal, which shows them, and for the operator, who is asked
// about them.
package sentences

import (
	"strings"

	"tlagate/pki"
)

// Text is one text in both languages. {peer}, {reason} and, of some reasons, {cause} are filled in.
type Text struct{ FR, EN string }

// Unknown stands for a code or reason that is in no table.
var Unknown = Text{"cause inconnue", "unknown reason"}

var (
	versions = Text{
		"il ne comprend pas la demande, les versions sont-elles compatibles ?",
		"it does not understand the request, are the versions compatible?"}
	misunderstood = Text{"il ne comprend pas ce terminal", "it does not understand this terminal"}
)

// Roles are a professional's words for a role; {text} is the name of its holder.
var Roles = map[string]Text{
	"gateway": {"le service de votre opérateur", "your operator's service"},
	"pdt":     {"le Poste de Travail {text}", "the Poste de Travail {text}"},
	"tla":     {"ce terminal", "this terminal"},
}

// Of returns what a professional at a terminal was told: why, by code and reason, about which peer (an identity,
// or a role while it was not proven; of a proxy its address).
func Of(code, reason, peer string) Text {
	sentence, known := Whys[code]
	if !known {
		sentence = Unknown
	}
	why, known := Reasons[code][reason]
	if !known {
		why = Unknown
	}
	who := whoIs(peer)
	return Text{fill(sentence.FR, who.FR, why.FR), fill(sentence.EN, who.EN, why.EN)}
}

func fill(text, peer, reason string) string {
	text = strings.NewReplacer("{peer}", peer, "{reason}", WithoutCause(reason)).Replace(text)
	first := []rune(text)
	return strings.ToUpper(string(first[:1])) + string(first[1:])
}

// WithoutCause returns a reason without the place for its cause, for whoever does not know that.
func WithoutCause(reason string) string { return strings.Replace(reason, " ({cause})", "", 1) }

// whoIs returns the words for a peer.
func whoIs(peer string) Text {
	role, name := peer, ""
	if id, err := pki.ParseIdentity(peer); err == nil {
		role, name = string(id.Role), id.Name
	}
	known, ok := Roles[role]
	if !ok {
		return Text{peer, peer}
	}
	named := func(s string) string { return strings.TrimSpace(strings.ReplaceAll(s, "{text}", name)) }
	return Text{named(known.FR), named(known.EN)}
}
