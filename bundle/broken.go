package bundle

import (
	"errors"
	"fmt"

	"tlagate/pki"
)

// Reason is one stable word for why a device does not work with a bundle.
type Reason string

// The reasons (docs/bundle.md, section 3).
const (
	Missing     Reason = "missing"
	Altered     Reason = "altered"
	Outdated    Reason = "outdated"
	Expired     Reason = "expired"
	Revoked     Reason = "revoked"
	Untrusted   Reason = "untrusted"
	WrongDevice Reason = "wrong_device"
	Unusable    Reason = "unusable"
)

// SealBroken is the reason word of log lines about a broken seal.
const SealBroken = "seal_broken"

// Broken is the error of everything a device refuses about its bundle.
type Broken struct {
	File   string // which of the sealed files
	Reason Reason
	Detail string // one sentence
	Cause  error
}

// Error returns one sentence that names the file.
func (b *Broken) Error() string {
	return fmt.Sprintf("cannot work with %s: %s: %s", b.File, b.Reason, b.Detail)
}

// Unwrap returns the cause.
func (b *Broken) Unwrap() error { return b.Cause }

func broken(file string, reason Reason, format string, args ...any) *Broken {
	b := &Broken{File: file, Reason: reason, Detail: fmt.Sprintf(format, args...)}
	for _, a := range args {
		if err, ok := a.(error); ok {
			b.Cause = err
		}
	}
	return b
}

// unacceptable returns the error for a signer's chain that was refused.
func unacceptable(file string, err error) *Broken {
	reason := Untrusted
	var r *pki.Refusal
	if errors.As(err, &r) && r.Revokes() {
		reason = Revoked
	}
	return broken(file, reason, "its signer is not accepted: %v", err)
}

// Action names what happened to a bundle, for the audit trail (EL1).
type Action string

// The actions.
const (
	Loaded  Action = "bundle_loaded"  // read and checked at a start
	Changed Action = "bundle_changed" // a new one was taken in
	Refused Action = "bundle_refused" // one that was offered was not taken in; the old one stays
	Ended   Action = "seal_broken"    // the device's own bundle does not pass the checks, or no longer
)

// Event is one thing that happened to a bundle.
type Event struct {
	Action  Action
	File    string
	Version uint64 // 0 = none
	Reason  Reason // of Refused and Ended
	Detail  string
}
