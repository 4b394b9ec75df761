package tla

import (
	"context"
	"errors"

	"tlagate/session/consent"
)

// Version of the answers to local users (docs/control.md).
const Version = 1

// CodeUnknownCommand answers a command that is none.
const CodeUnknownCommand Code = "unknown_command"

// Answer is the relay's answer to a local user.
type Answer struct {
	Version int     `json:"version"`
	OK      bool    `json:"ok"`
	Error   *Why    `json:"error,omitempty"` // of a start or stay
	Status  *Status `json:"status,omitempty"`
}

// Handle does what a local user asks: start, stop, stay or status. It gives an Answer. A start lasts until the session is up,
// or ctx ends. who is the process that asks, as the kernel knows it.
func (r *Relay) Handle(ctx context.Context, who, command string) any {
	switch command {
	case "start":
		return r.answer(r.Start(ctx, Act{consent.ActCommand, who}))
	case "stop":
		r.Stop()
		return r.answer(nil)
	case "stay":
		return r.answer(r.Stay(Act{consent.ActCommand, who}))
	case "status":
		return r.answer(nil)
	}
	return Answer{Version: Version, Error: &Why{Code: CodeUnknownCommand, Detail: "want start, stop, stay or status"}}
}

func (r *Relay) answer(err error) Answer {
	s := r.Status()
	a := Answer{Version: Version, OK: err == nil, Status: &s}
	if err != nil && !errors.As(err, &a.Error) {
		a.Error = explain(err)
	}
	return a
}
