// Package owner keeps what root runs from leaving files to root that a service cannot use, and from writing where
// somebody else wants it to: before its first write a command becomes whom the files belong to that it will write.
package owner

// became says whom this program has become; "" = nobody.
var became string

// Note explains a refusal of the system to a program that has become somebody else; "" in others.
func Note() string { return became }
