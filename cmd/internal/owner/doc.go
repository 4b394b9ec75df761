// Package owner keeps a command that root runs from leaving files of root's that a service cannot use, and from writing
// where somebody else wants it to: before its first write, the command becomes the account to which the files that it
// will write belong.
package owner

// became says which account this program has become; "" = none.
var became string

// Note returns a note for errors, that this program has become another account; "" = it has not.
func Note() string { return became }
