package words

import (
	"context"
	"errors"

	ctl "tlagate/tla/control"
)

// Faults say what the control socket itself refuses.
var Faults = map[string]Text{
	ctl.FaultNotAllowed: {
		"Vous n'avez pas le droit de commander ce terminal : demandez à votre opérateur de vous l'accorder.",
		"You may not command this terminal: ask your operator for that right."},
	ctl.FaultNotLocal: {
		"Cette commande est réservée à la personne qui est devant ce terminal.",
		"This command is for the person in front of this terminal."},
	ctl.FaultTooMany: {
		"Trop de programmes parlent à ce terminal en ce moment : réessayez dans un instant.",
		"Too many programs talk to this terminal just now: try again in a moment."},
	ctl.FaultVersion:    oldProgram,
	ctl.FaultBadRequest: oldProgram,
}

var oldProgram = Text{
	"Ce terminal ne comprend pas cette demande : les versions sont-elles compatibles ?",
	"The terminal does not understand this request: are the versions compatible?"}

// The relay was not reached.
var (
	noRelay = Text{
		"Ce terminal ne répond pas : le service tla-relay est-il démarré ?",
		"The terminal does not answer: is the tla-relay service running?"}
	unreadable = Text{
		"La réponse de ce terminal est illisible : appelez votre opérateur.",
		"The terminal's answer cannot be read: call your operator."}
	givenUp = Text{"Abandonné.", "Given up."}
)

// told is an error in the user's words; its cause is for the log.
type told struct {
	words string
	cause error
}

func (e *told) Error() string { return e.words }
func (e *told) Unwrap() error { return e.cause }

// Trouble returns, in the user's words, why the daemon was not reached.
func (t Tongue) Trouble(err error) error {
	said := unreadable
	f, isFault := errors.AsType[*ctl.Fault](err)
	switch {
	case isFault:
		said = FaultOf(f)
	case errors.Is(err, ctl.ErrNotAllowed):
		said = Faults[ctl.FaultNotAllowed]
	case errors.Is(err, ctl.ErrNoDaemon):
		said = noRelay
	case errors.Is(err, context.Canceled):
		said = givenUp
	}
	return &told{t.Say(said, nil), err}
}

// FaultOf returns the words for a fault of the socket itself.
func FaultOf(f *ctl.Fault) Text {
	if known, ok := Faults[f.Code]; ok {
		return known
	}
	return oldProgram
}
