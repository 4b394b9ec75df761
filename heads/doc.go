// Package heads is how the PKI comes to know the trace of a gateway (annex codes SA2, G7): number and hash of its last
// line, signed, sent every hour and at each rotation, kept, and compared with the trace later. docs/heads.md is the
// specification; package ca/server answers, package ca keeps.
package heads
