package enrol

import (
	"errors"
	"slices"
	"strings"
	"time"

	"tlagate/est"
	"tlagate/pki"
	"tlagate/pki/trust"
)

// Kind is the one stable word for why there is no certificate, which a program can put in its user's words.
type Kind string

// The kinds.
const (
	CodeMistyped  Kind = "code_mistyped" // found before anything was sent
	CodeMissing   Kind = "code_missing"  // none was given
	NoPlace       Kind = "no_place"      // where to enrol is not said, or not as HOST:PORT
	CodeUnknown   Kind = "code_unknown"
	CodeExpired   Kind = "code_expired"
	CodeUsed      Kind = "code_used"
	OtherProgram  Kind = "other_program" // the code is for another kind of component
	TooMany       Kind = "too_many"
	NotAvailable  Kind = "not_available"
	Unreachable   Kind = "unreachable"
	NoPKI         Kind = "no_pki"      // something answers, but no PKI
	NotOurPKI     Kind = "not_our_pki" // it is not the one that made the code
	TestCA        Kind = "test_ca"     // it is a trial's, and we are in production
	Clock         Kind = "clock"       // dates do not agree: our clock is wrong, or the PKI's
	Refused       Kind = "refused"     // we do not accept the PKI's server
	Rejected      Kind = "rejected"    // the PKI does not accept our certificate
	BadAnswer     Kind = "bad_answer"  // what it answered cannot be used
	Living        Kind = "living"      // there is an identity that is still good
	ForeignAnchor Kind = "foreign_anchor"
	Configuration Kind = "configuration"
	Files         Kind = "files"
	Declined      Kind = "declined" // by the user
	Ended         Kind = "ended"    // our certificate is past its end, and cannot be renewed
	Revoked       Kind = "revoked"  // our certificate is revoked, and cannot be renewed
	Other         Kind = "other"
)

// sentences say in English what is the matter, and what to do. {place} and {now} are filled in.
var sentences = map[Kind]string{
	CodeMistyped: "cannot read the code: something in it is mistyped; type it again",
	CodeMissing:  "cannot enrol without a code: give it on standard input with - , or at a terminal when asked",
	NoPlace:      "cannot enrol without a place: name one with --gateway HOST:PORT or --pki HOST:PORT",
	CodeUnknown:  "cannot enrol: the PKI does not know this code; ask for a new one",
	CodeExpired:  "cannot enrol: this code has expired; ask for a new one",
	CodeUsed:     "cannot enrol: this code has been used already; ask for a new one",
	OtherProgram: "cannot enrol: this code is for another kind of device; use it there, or ask for the right one",
	TooMany:      "cannot enrol just now: too many attempts failed from this address; wait some minutes",
	NotAvailable: "cannot enrol just now: the PKI cannot issue; try again later",
	Unreachable:  "cannot reach {place}; check the address, and the network",
	NoPKI: "cannot enrol: what answers at {place} leads to no PKI; check the address, and that the gateway " +
		"has an enrolment section",
	NotOurPKI: "cannot enrol: the PKI at {place} is not the one that made this code; nothing secret was sent to " +
		"it; check the address, and the code",
	TestCA: "cannot enrol: the PKI at {place} is a trial's, its name begins with TEST; nothing secret was " +
		"sent to it; enrol with another one, or, in a trial, say production: false under trust",
	Clock: "cannot enrol: the dates do not agree, and it is {now} here; set the clock, and if it is right, " +
		"tell the PKI's operator",
	Refused: "cannot enrol: the PKI's server at {place} does not pass the checks; nothing secret was sent to " +
		"it; tell its operator",
	Rejected:      "cannot get a certificate: the PKI refused ours; ask its operator",
	BadAnswer:     "cannot use what the PKI answered; tell its operator",
	Living:        "cannot enrol: this device has an identity that is still good; to give it up, add --replace",
	ForeignAnchor: "cannot enrol: this device trusts another PKI; to give that up, add --replace",
	Configuration: "cannot enrol with this configuration",
	Files:         "cannot keep what came; once that is put right, enrol again with the same code",
	Declined:      "not enrolled: you said no; the code is still good",
	Ended:         "cannot renew the certificate: it has ended; enrol again with a new code",
	Revoked: "cannot renew the certificate: it is revoked; ask the PKI's operator, and enrol again with a new " +
		"code",
	Other: "cannot enrol",
}

// Kinds returns every kind.
func Kinds() []Kind {
	var all []Kind
	for k := range sentences {
		all = append(all, k)
	}
	slices.Sort(all)
	return all
}

// Failure is why there is no certificate.
type Failure struct {
	Kind  Kind
	Place est.Place
	Cause error // nil = the kind says it all
}

// Error returns the sentence in English, and the cause.
func (f *Failure) Error() string {
	text := f.Fill(sentences[f.Kind])
	if f.Cause != nil {
		text += " (" + f.Cause.Error() + ")"
	}
	return text
}

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Cause }

// Fill returns a sentence with place and time filled in.
func (f *Failure) Fill(text string) string {
	return strings.NewReplacer("{place}", f.Place.Address, "{now}", time.Now().Format("2006-01-02 15:04")).Replace(text)
}

// explain returns err as a *Failure of the kind that fits.
func explain(err error, place est.Place) *Failure {
	var f *Failure
	if errors.As(err, &f) {
		f.Place = place
		return f
	}
	return &Failure{Kind: kindOf(err), Place: place, Cause: err}
}

var kinds = map[est.Word]Kind{
	est.CodeRequired: CodeUnknown, est.CodeUnknown: CodeUnknown, est.CodeExpired: CodeExpired, est.CodeUsed: CodeUsed,
	est.CertificateRefused: Revoked, est.WrongProfile: OtherProgram, est.TooMany: TooMany,
	est.NotAvailable: NotAvailable,
}

// dated are the reasons to which a wrong clock leads.
var dated = []pki.Reason{pki.Expired, pki.NotYetValid, pki.CRLStale, pki.CRLFuture, pki.OCSPStale, pki.OCSPFuture}

func kindOf(err error) Kind {
	var problem *est.Problem
	switch reason := pki.ReasonOf(err); {
	case errors.Is(err, est.ErrAnchor):
		return NotOurPKI
	case errors.As(err, new(*est.Unreachable)) || reason == pki.HandshakeSlow:
		return Unreachable
	case errors.As(err, &problem):
		if kind, known := kinds[problem.Word]; known {
			return kind
		}
		return BadAnswer
	case reason == pki.TestCA:
		return TestCA
	case slices.Contains(dated, reason):
		return Clock
	case errors.As(err, new(*est.BadAnswer)):
		return BadAnswer
	case reason == pki.TLSVersion || reason == pki.ALPN || reason == pki.HandshakeFailed || reason == pki.WrongRole:
		return NoPKI
	case reason != "":
		return Refused
	case errors.As(err, new(*trust.Rejected)):
		return Rejected
	}
	return Other
}
