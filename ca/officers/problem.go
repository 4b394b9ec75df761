package officers

import (
	"fmt"

	"tlagate/internal/acts"
)

// What the APIs of gateway and PKI have in common.
type (
	Code    = acts.Code
	Problem = acts.Problem // what the server does not do, and why
	answer  = acts.Answer
)

// The problems of the officers' API.
const (
	BadRequest         = acts.BadRequest
	CertificateRefused = acts.CertificateRefused
	NotAnOfficer       = acts.NotAnOfficer
	MissingRole        = acts.MissingRole
	CrossSite          = acts.CrossSite
	NotFound           = acts.NotFound
	MethodNotAllowed   = acts.MethodNotAllowed
	SameOfficer        = acts.SameOfficer
	Refused            = acts.Refused
	Conflict           = acts.Conflict
	KeyReused          = acts.KeyReused
	TooLarge           = acts.TooLarge
	WrongType          = acts.WrongType
	TooMany            = acts.TooMany
	TraceFailed        = acts.TraceFailed
)

func problemf(code Code, format string, args ...any) *Problem {
	return &Problem{Code: code, Detail: fmt.Sprintf(format, args...)}
}
