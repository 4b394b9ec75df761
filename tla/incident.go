package tla

import (
	"crypto/rand"
	"slices"
)

// The alphabets of an incident number: characters that are not taken for one another when they are read aloud, in
// French or English, or off a small screen.
const (
	incidentLetters = "AFHJKLMPRWXY"
	incidentDigits  = "23456789"
)

// newIncident returns a new incident number: letter, digit, letter, digit. Log and audit trace of this terminal have it
// too, so that the incident is found there.
func newIncident() string {
	var n [4]byte
	_, _ = rand.Read(n[:]) // never fails
	for i, alphabet := range []string{incidentLetters, incidentDigits, incidentLetters, incidentDigits} {
		n[i] = alphabet[int(n[i])%len(alphabet)]
	}
	return string(n[:])
}

// unnumbered are the codes that need no number: the user wanted it, or it is about another start.
var unnumbered = []Code{CodeStopped, CodeCancelled, CodeAlready, CodeShutdown, codeRenewed}

// numbered returns w with an incident number, if it is an incident.
func (w *Why) numbered() *Why {
	if w.Incident != "" || slices.Contains(unnumbered, w.Code) {
		return w
	}
	n := *w
	n.Incident = newIncident()
	return &n
}
