package pki

import "io"

// Algorithm is one line of the allowlist (annex code G5).
type Algorithm struct {
	Kind string // "TLS version", "cipher suite", "group", "certificate signature", "handshake signature", "key"
	Name string
	Note string
}

// Algorithms lists everything that may be negotiated or met in a certificate; what is not listed is refused.
func Algorithms() []Algorithm { return nil }

// PrintAlgorithms writes the allowlist as a table for people.
func PrintAlgorithms(w io.Writer) error { return nil }
