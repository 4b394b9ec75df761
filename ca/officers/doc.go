// Package officers is how the officers of a CA act on it (annex codes SP3, SA1): an HTTP API of `tla-pki serve` for
// certificates of the role admin, what each of them may do, and its client. An account of the machine is nobody here.
// Each act is in the CA's trace, with who, in which role and why, before it is done. docs/ca.md, section 6, is the
// specification.
package officers
