package tla

import (
	"context"
	"errors"

	"tlagate/session/consent"
	"tlagate/tla/control"
)

// Version of the answers to local users (docs/control.md).
const Version = 1

// CodeUnknownCommand answers a command that does not exist.
const CodeUnknownCommand Code = "unknown_command"

// Answer is the relay's answer to a local user.
type Answer struct {
	Version   int        `json:"version"`
	OK        bool       `json:"ok"`
	Error     *Why       `json:"error,omitempty"` // of a start or stay
	Rehearsal *Rehearsal `json:"check,omitempty"` // of the command check
	Status    *Status    `json:"status,omitempty"`
}

// Handle does what a local user asks: start, check, stop, stay or status. It returns an Answer. A start lasts until the
// session is up and, if asked to wait, until programs at the PdT see the cards; or until ctx ends. who is the process
// that asks, as the kernel knows it.
func (r *Relay) Handle(ctx context.Context, who string, asked control.Request) any {
	act := Act{consent.ActCommand, who, asked.PdT}
	switch asked.Command {
	case "start":
		if asked.Wait {
			return r.started(r.StartShown(ctx, act))
		}
		return r.started(r.Start(ctx, act))
	case "check":
		return r.rehearsed(r.Rehearse(ctx, act))
	case "stop":
		r.Stop()
		return r.answer(nil)
	case "stay":
		return r.answer(r.Stay(act))
	case "status":
		return r.answer(nil)
	}
	return Answer{Version: Version,
		Error: &Why{Code: CodeUnknownCommand, Detail: "want start, check, stop, stay or status"}}
}

// started returns the answer to a start. It is no success if the session is over by now.
func (r *Relay) started(err error) Answer {
	a := r.answer(err)
	if s := a.Status; a.OK && s.Session == nil && s.Last != nil {
		a.OK, a.Error = false, &s.Last.Why
	}
	return a
}

func (r *Relay) rehearsed(c Rehearsal, err error) Answer {
	a := r.answer(err)
	if err == nil {
		a.Rehearsal = &c
	}
	return a
}

func (r *Relay) answer(err error) Answer {
	s := r.Status()
	a := Answer{Version: Version, OK: err == nil, Status: &s}
	if err != nil && !errors.As(err, &a.Error) {
		a.Error = explain(err)
	}
	return a
}
