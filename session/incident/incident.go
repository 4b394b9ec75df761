// Package incident has incident numbers (SA2): what a user reads out, and the operator finds again in log and trace
// (docs/protocol.md, section 1). They are no secret, and they repeat.
package incident

import (
	"crypto/rand"
	"regexp"
)

// The alphabets of a number: characters that are not taken for one another when they are read aloud, in French or
// English, or off a small screen.
const (
	letters = "AFHJKLMPRWXY"
	digits  = "23456789"
)

// New returns a new number: letter, digit, letter, digit.
func New() string {
	var n [4]byte
	_, _ = rand.Read(n[:]) // never fails
	for i, alphabet := range []string{letters, digits, letters, digits} {
		n[i] = alphabet[int(n[i])%len(alphabet)]
	}
	return string(n[:])
}

var form = regexp.MustCompile("^[" + letters + "][" + digits + "][" + letters + "][" + digits + "]$")

// Of returns what a peer gives as a number, or "" if it is none.
func Of(text string) string {
	if !form.MatchString(text) {
		return ""
	}
	return text
}
