// Package control carries commands of local users to a daemon over a Unix socket: one request and one answer for each
// connection, each one line of JSON (docs/control.md). The credentials of the client's process (SO_PEERCRED) decide
// whether it may ask, not what it says.
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
	maxStops    = 4   // further clients, for stop alone
	maxName     = 200 // octets of a PdT's name
)

// Request is what a client sends.
type Request struct {
	Version int    `json:"version"`
	Command string `json:"command"`
	PdT     string `json:"pdt,omitempty"`  // of start and check: one of status.pdts; "" = the first
	Wait    bool   `json:"wait,omitempty"` // of start: for programs at the PdT to see the cards
}

// The faults of the protocol itself; a handler has its own.
const (
	FaultBadRequest = "bad_request" // no JSON, too long, or nothing in time
	FaultVersion    = "version"     // of the protocol, not ours
	FaultNotAllowed = "not_allowed" // the user is not in the group
	FaultTooMany    = "too_many"    // there are too many clients
	FaultNotLocal   = "not_local"   // only a person at this machine may give this command (C4)
)

// Fault says what is wrong with a request.
type Fault struct {
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

func (f *Fault) Error() string { return "control: " + f.Code + ": " + f.Detail }

// faultAnswer has a Fault where a handler's answers have their error.
type faultAnswer struct {
	Version int    `json:"version"`
	Error   *Fault `json:"error"`
}
