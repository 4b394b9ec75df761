package pki

import (
	"crypto/x509"
	"time"
)

// Want says whom we expect at the other end.
type Want struct {
	Usage    x509.ExtKeyUsage // ClientAuth or ServerAuth: exactly this one EKU
	Roles    []Role           // acceptable roles; empty = any role
	Identity Identity         // not zero: exactly this component (wrong_peer otherwise)
	Practice string           // not "": that practice (wrong_practice otherwise)
	DNSName  string           // not "": must be in the DNS SANs (name_mismatch otherwise)
}

// Check is one step of a verification.
type Check struct {
	Name    string // stable word: "path", "algorithms", "signature", "dates" …
	Subject string // which certificate or CRL
	Detail  string // what was found
	Err     error  // nil = passed; else a *Refusal
}

// Revocation says from which CRL the status of one certificate of the path comes.
type Revocation struct {
	Serial     string // of the certificate, hexadecimal
	Source     string // file or URL of the CRL
	Number     string // CRLNumber, decimal
	ThisUpdate time.Time
	NextUpdate time.Time
}

// Verdict is the outcome of a verification, with each check in order (for `tla-pki verify`).
type Verdict struct {
	Identity   Identity
	Path       []*x509.Certificate // leaf first, anchor last
	Checks     []Check
	Revocation []Revocation // one for each certificate below the anchor, leaf first
	NotAfter   time.Time    // earliest end in the path
}

// Verify judges a chain, leaf first, as a peer presented it. The error is a *Refusal; the Verdict is never nil and
// holds the checks made so far, for people. Only a nil error means accepted.
func (t *Trust) Verify(chain []*x509.Certificate, want Want) (*Verdict, error) {
	return &Verdict{}, notYet()
}
