package tla

import (
	"crypto/rand"
	"slices"
)

// The alphabets of an incident number: what is not taken for another when it is read out, in French or English, or off
// a small screen.
const (
	incidentLetters = "AFHJKLMPRWXY"
	incidentDigits  = "23456789"
)

// newIncident makes an incident number: letter, digit, letter, digit. It is found again in the log and in the audit
// trace of this terminal.
func newIncident() string {
	var n [4]byte
	_, _ = rand.Read(n[:]) // never fails
	for i, alphabet := range []string{incidentLetters, incidentDigits, incidentLetters, incidentDigits} {
		n[i] = alphabet[int(n[i])%len(alphabet)]
	}
	return string(n[:])
}

// unnumbered are what the user knows without a number: they wanted it, or it is about another start.
var unnumbered = []Code{CodeStopped, CodeCancelled, CodeAlready, CodeShutdown, codeRenewed}

// numbered gives w an incident number, if it is an incident and has none yet.
func (w *Why) numbered() *Why {
	if w.Incident != "" || slices.Contains(unnumbered, w.Code) {
		return w
	}
	n := *w
	n.Incident = newIncident()
	return &n
}
