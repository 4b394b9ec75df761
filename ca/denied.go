package ca

import (
	"errors"
	"fmt"
)

// Word is one stable word for why an enrolment is denied (docs/enrolment.md, section 3).
type Word string

// Why the CA denies an enrolment. What has no word is a failure of the CA itself.
const (
	CodeUnknown        Word = "code_unknown"        // never made, or withdrawn
	CodeExpired        Word = "code_expired"        // its time is over
	CodeUsed           Word = "code_used"           // with another key, or for another profile
	CertificateRefused Word = "certificate_refused" // it is revoked, on hold, ended, not ours, or no client's
	// the identity's role has no such profile, or no names for it are known
	WrongProfile Word = "wrong_profile"
	BadRequest   Word = "bad_request" // what is wrong with the request for a certificate
	BadKey       Word = "bad_key"     // a kind of key that is not certified
	// the key is another's, or was compromised; the text may name others
	KeyTaken Word = "key_taken"
)

// Denied is the error of a request that the CA understands and denies.
type Denied struct {
	Word Word
	Err  error
}

// Error returns the sentence, without the word.
func (d *Denied) Error() string { return d.Err.Error() }

// Unwrap returns the cause.
func (d *Denied) Unwrap() error { return d.Err }

func deny(w Word, err error) error { return &Denied{w, err} }

func denyf(w Word, format string, args ...any) error { return &Denied{w, fmt.Errorf(format, args...)} }

// DeniedFor returns the word of a *Denied, "" for any other error.
func DeniedFor(err error) Word {
	if d, ok := errors.AsType[*Denied](err); ok {
		return d.Word
	}
	return ""
}
