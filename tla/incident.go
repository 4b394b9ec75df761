package tla

import (
	"slices"

	"tlagate/session/incident"
)

// unnumbered are the codes that need no number: the user wanted it, or it is about another start.
var unnumbered = []Code{CodeStopped, CodeCancelled, CodeAlready, CodeShutdown, codeRenewed}

// numbered returns w with a new incident number, if it is an incident without one.
func (w *Why) numbered() *Why { return w.numberedAs(incident.New()) }

// numberedAs is numbered with a number that others know already.
func (w *Why) numberedAs(number string) *Why {
	if w.Incident != "" || slices.Contains(unnumbered, w.Code) {
		return w
	}
	n := *w
	n.Incident = number
	return &n
}
