// Package control carries commands of local users to a daemon over a Unix socket: one request and one answer a
// connection, each one line of JSON (docs/control.md). Who may ask is decided by the credentials of the peer's
// process (SO_PEERCRED), not by what it says.
package control

import (
	"time"
)

// Version of the protocol.
const Version = 1

// Sizes and times.
const (
	maxRequest  = 4 << 10         // octets
	maxAnswer   = 256 << 10       // octets
	requestTime = 5 * time.Second // for a client to say what it wants
	answerTime  = 5 * time.Second // for a client to take its answer
	askTime     = 5 * time.Second // for a daemon to take the request
	maxClients  = 8
	maxStops    = 4   // clients more, for stop alone
	maxName     = 200 // octets of a PdT's name
)

// Request is what a client says.
type Request struct {
	Version int    `json:"version"`
	Command string `json:"command"`
	PdT     string `json:"pdt,omitempty"`  // of start and check: one of status.pdts; "" = the first
	Wait    bool   `json:"wait,omitempty"` // of start: for programs at the PdT to see the cards
}

// The faults of the protocol itself; a handler has its own.
const (
	FaultBadRequest = "bad_request" // no JSON, too long, or nothing in time
	FaultVersion    = "version"     // not ours
	FaultNotAllowed = "not_allowed" // the user is not in the group
	FaultTooMany    = "too_many"    // clients
	FaultNotLocal   = "not_local"   // the client is no person at this machine, and the command is a person's act (C4)
)

// Fault says what is wrong with a request.
type Fault struct {
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

func (f *Fault) Error() string { return "control: " + f.Code + ": " + f.Detail }

// answer wraps a Fault as a handler's answers are wrapped.
type faultAnswer struct {
	Version int    `json:"version"`
	Error   *Fault `json:"error"`
}
