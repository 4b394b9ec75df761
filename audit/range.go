package audit

import "io"

// VerifyRange verifies lines that are a part of a chain, from the one with number first on; before is the hash of the
// line before that, in hexadecimal. The error is a *Broken, or of reading. It says that nothing in between is missing
// or altered; that the range is of this trace says only another copy of a hash: a head, or the trace itself.
func VerifyRange(r io.Reader, first uint64, before string) (Report, error) {
	c := newVerifier(nil, Checks{})
	c.want, c.prev = first, before
	err := c.file("", r)
	if err == nil {
		err = c.finish()
	}
	return c.report, err
}

// HashOf returns what the next line says of a line, given without its newline: its SHA-256, in hexadecimal.
func HashOf(line string) string { return hash([]byte(line)) }
