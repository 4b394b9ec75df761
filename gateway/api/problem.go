package api

import "tlagate/internal/acts"

// What the APIs of gateway and PKI have in common.
type (
	Code          = acts.Code
	Problem       = acts.Problem
	ProblemAnswer = acts.Document
	answer        = acts.Answer
)

// The problems of docs/api.md.
const (
	BadRequest       = acts.BadRequest
	Unproven         = acts.Unproven
	Forbidden        = acts.RoleRequired
	CrossSite        = acts.CrossSite
	NotFound         = acts.NotFound
	MethodNotAllowed = acts.MethodNotAllowed
	Conflict         = acts.Conflict
	TooLarge         = acts.TooLarge
	WrongType        = acts.WrongType
	KeyReused        = acts.KeyReused
	TooMany          = acts.TooMany
	TraceFull        = acts.TraceFull
	Failed           = acts.Failed
)
